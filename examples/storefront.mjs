// Serves the storefront: a page on an origin of its own, which orders at flashsale by CORS. Any web server can do this.
// Settings: FLASHSALE_URL as browsers reach it, CURRENCY, HOST, PORT. The server needs this origin in its CORS_ORIGINS.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { FLASHSALE_URL = 'http://127.0.0.1:3000', CURRENCY = 'EUR', HOST = '127.0.0.1', PORT = 4000 } = process.env;
const file = (name) => readFileSync(new URL(name, import.meta.url));
const settings = { flashsale: `${FLASHSALE_URL}/api/v1`, currency: CURRENCY };

const files = new Map([
    ['/', ['text/html; charset=utf-8', file('storefront.html')]],
    ['/storefront.css', ['text/css; charset=utf-8', file('storefront.css')]],
    ['/storefront.js', ['text/javascript; charset=utf-8', file('storefront.js')]],
    ['/shop.js', ['text/javascript; charset=utf-8', file('shop.js')]],
    ['/settings.js', ['text/javascript; charset=utf-8', `export default ${JSON.stringify(settings)};`]],
]);

// No script and no style but its own files, and no request but to its own origin and to flashsale.
const policy = [
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:",
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    `connect-src ${new URL(FLASHSALE_URL).origin}`,
].join('; ');

const server = createServer(({ url }, response) => {
    const [type, body] = files.get(url.split('?')[0]) ?? [];
    if (!type) return response.writeHead(404).end();
    const headers = { 'content-type': type, 'content-security-policy': policy, 'x-content-type-options': 'nosniff' };
    return response.writeHead(200, headers).end(body);
});
server.listen(PORT, HOST, () => console.log(`listening on http://${HOST}:${server.address().port}`));
