// A proxy that shows a server below a prefix, and takes the prefix off: as nginx does with a slash at the end of
// `proxy_pass`. Outside of the prefix there is another server.
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';

export class Proxy {
    /** Listens; what it shows is set once that runs. */
    static async start(prefix) {
        const proxy = new Proxy();
        proxy.prefix = prefix;
        proxy.listener = createServer((request, response) => proxy.#pass(request, response));
        proxy.listener.on('upgrade', (request, socket, head) => proxy.#upgrade(request, socket, head));
        proxy.listener.listen(0, '127.0.0.1');
        await once(proxy.listener, 'listening');
        // A name, as the log of a server that says its own address is searched for that.
        proxy.origin = `http://localhost:${proxy.listener.address().port}${prefix}`;
        return proxy;
    }

    /** Path of the server as a URL of the proxy. */
    url(pathname) {
        return `${this.origin}${pathname}`;
    }

    /** The request to the server, if the path is below the prefix. */
    #onward({ method, url, headers }) {
        if (!url.startsWith(`${this.prefix}/`)) return null;
        const { port } = this.server;
        const passed = { ...headers, host: `127.0.0.1:${port}`, 'x-forwarded-for': '192.0.2.7' };
        return ask({ host: '127.0.0.1', port, method, path: url.slice(this.prefix.length), headers: passed });
    }

    #pass(request, response) {
        const onward = this.#onward(request);
        if (!onward) return response.writeHead(418).end();
        onward.on('response', (answer) => {
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        onward.on('error', () => response.destroy());
        request.pipe(onward);
    }

    #upgrade(request, socket, head) {
        const onward = this.#onward(request);
        socket.on('error', () => {});
        if (!onward) return socket.end('HTTP/1.1 418 Other\r\n\r\n');
        onward.on('upgrade', (answer, upstream, first) => {
            const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
            socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
            socket.write(first);
            upstream.write(head);
            upstream.on('error', () => socket.destroy());
            upstream.pipe(socket).pipe(upstream);
        });
        onward.on('response', (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} No\r\n\r\n`));
        onward.on('error', () => socket.destroy());
        onward.end();
    }

    async stop() {
        this.listener.closeAllConnections();
        this.listener.close();
    }
}
