// Requests to the server outside of the load: what the hooks before and after a run ask.

/** The headers of an operator, if a token is set. */
export function operator() {
    const token = process.env.ADMIN_TOKEN;
    return token ? { authorization: `Bearer ${token}` } : {};
}

/** The headers for placing orders: STOREFRONT_TOKEN, or else ADMIN_TOKEN, if one is set. */
export function storefront() {
    const token = process.env.STOREFRONT_TOKEN || process.env.ADMIN_TOKEN;
    return token ? { authorization: `Bearer ${token}` } : {};
}

/** The JSON of a path below /api/v1; an error says in a sentence what to do. */
export async function get(target, path) {
    return (await response(target, path)).json();
}

/** All rows of a list, page by page. */
export async function all(target, path) {
    const rows = [];
    let next = path;
    while (next) {
        const page = await response(target, next);
        rows.push(...(await page.json()));
        const query = /<[^>]*\?([^>]*)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1];
        next = query && `${path.split("?")[0]}?${query}`;
    }
    return rows;
}

async function response(target, path) {
    // As many as a server that limits the requests of one IP address lets through in a while.
    for (let tries = 0; ; tries += 1) {
        const response = await fetch(`${target}/api/v1${path}`, { headers: operator() }).catch((error) => {
            const why = error.cause?.code ?? error.message;
            throw new Error(`the server at ${target} does not respond (${why}); start it, or set TARGET`);
        });
        if (response.ok) return response;
        if (response.status === 401) throw new Error(`the server at ${target} needs its token: set ADMIN_TOKEN`);
        if (![429, 503].includes(response.status) || tries === 20) {
            throw new Error(`the server at ${target} responded ${response.status} to GET ${path.split("?")[0]}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
    }
}
