// Lets Node read the dashboard's scripts as the browser does, as modules, so that unit tests can import them:
// `node --import ./tests/browser/harness/modules.mjs --test …`.
import { register } from 'node:module';

const hooks = `export const load = (url, context, next) => {
    return next(url, /\\/assets\\/[^/]+\\.js$/.test(url) ? { ...context, format: 'module' } : context);
};`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
