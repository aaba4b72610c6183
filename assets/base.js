// Where the server is, as browsers see it: behind a proxy it may have a prefix, such as `/flash`. This file is two
// folders below.
const root = new URL("../..", import.meta.url).pathname;

/** The URL of a path of the server. */
export const at = (path) => root.slice(0, -1) + path;
