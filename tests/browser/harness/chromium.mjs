// The system's Chromium, and pages that write down whatever a page must never do: an error on the console, a violation
// of the Content-Security-Policy, a request to another origin, a response that is an error, a dialog of markup that ran.
import { existsSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SLOW_DOWN_NOTHING = ['--disable-background-timer-throttling', '--disable-renderer-backgrounding'];

/** Width and height of a window. */
export const WIDE = { width: 1440, height: 1000 };
export const PHONE = { width: 390, height: 844 };

export class Chromium {
    static async start() {
        const executablePath = process.env.CHROMIUM ?? PLACES.find((place) => existsSync(place));
        if (!executablePath) throw new Error('no Chromium: install it, or name it in CHROMIUM');
        const chromium = new Chromium();
        // Root cannot use the sandbox; the pages are our own.
        const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
        const args = [...sandbox, ...SLOW_DOWN_NOTHING, '--hide-scrollbars', '--force-color-profile=srgb'];
        chromium.browser = await puppeteer.launch({ executablePath, headless: true, args });
        return chromium;
    }

    /** A tab with cookies and storage of its own. */
    async open(server, { size = WIDE, theme = 'light', script = true, zone = 'UTC' } = {}) {
        const context = await this.browser.createBrowserContext();
        const page = await context.newPage();
        await page.emulateTimezone(zone);
        const tab = new Tab(server, context, page);
        await tab.show(size, theme);
        if (!script) await page.setJavaScriptEnabled(false);
        await tab.watch();
        return tab;
    }

    async stop() {
        await this.browser.close();
    }
}

/** What the page itself is asked to keep: violations, and how far its layout has shifted since `window.shifted = []`. */
function keepNotes() {
    window.violated = [];
    window.shifted = [];
    document.addEventListener('securitypolicyviolation', (event) => {
        window.violated.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            const moved = entry.sources.map((source) => {
                const node = source.node?.nodeType === 1 ? source.node : source.node?.parentElement;
                return `${node?.tagName ?? 'gone'}.${node?.className?.baseVal ?? node?.className}#${node?.id} "${source.node?.textContent?.slice(0, 30)}"`;
            });
            if (!entry.hadRecentInput) window.shifted.push({ value: entry.value, moved });
        }
    }).observe({ type: 'layout-shift', buffered: true });
}

export class Tab {
    #complaints = [];
    #loaded = 0;
    #expected = [];

    constructor(server, context, page) {
        Object.assign(this, { server, context, page });
    }

    /** Listens to everything that this tab does. */
    async watch() {
        const { page } = this;
        await page.evaluateOnNewDocument(keepNotes);
        page.on('console', (message) => {
            const from = message.location()?.url ?? '';
            if (['error', 'warn'].includes(message.type())) this.#complain(`console: ${message.text()} ${from}`);
        });
        page.on('pageerror', (error) => this.#complain(`script: ${error.stack ?? error.message}`));
        page.on('dialog', async (dialog) => {
            this.#complain(`a dialog: ${dialog.type()} ${dialog.message()}`);
            await dialog.dismiss();
        });
        page.on('request', (request) => {
            const own = request.url().startsWith(`${this.server.origin}/`) || request.url().startsWith('data:');
            if (!own) this.#complain(`a request to ${request.url()}`);
        });
        page.on('response', (response) => {
            if (response.status() >= 400) this.#complain(`${response.status()} for ${response.url()}`);
        });
        const session = await page.createCDPSession();
        await session.send('Network.enable');
        session.on('Network.loadingFinished', (event) => { this.#loaded += event.encodedDataLength; });
        this.session = session;
    }

    #complain(text) {
        if (!this.#expected.some((pattern) => pattern.test(text))) this.#complaints.push(text);
    }

    /** Complaints that match are part of the test from now on: a rejected form, a server that is away. */
    expect(...patterns) {
        this.#expected.push(...patterns);
    }

    /** What this tab has complained about, violations of the policy included. */
    async complaints() {
        const violated = await this.page.evaluate(() => window.violated ?? []).catch(() => []);
        return [...this.#complaints, ...violated.map((text) => `policy: ${text}`)];
    }

    /** Bytes that went over the wire since the last `go`. */
    get loaded() {
        return this.#loaded;
    }

    async show(size, theme) {
        const phone = size.width < 700;
        await this.page.setViewport({ ...size, isMobile: phone, hasTouch: phone });
        await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
    }

    async go(pathname) {
        this.#loaded = 0;
        return this.page.goto(this.server.url(pathname), { waitUntil: 'load' });
    }

    /** Runs a function in the page. */
    run(work, ...args) {
        return this.page.evaluate(work, ...args);
    }

    /** The text of the first element that matches, as a person reads it. */
    text(selector) {
        return this.page.$eval(selector, (element) => element.innerText.replace(/\s+/g, ' ').trim());
    }

    /**
     * Clicks, and waits for the page that comes. A tab behind another one does not take a click, and on a phone the bars
     * at the bottom take those for what is under them.
     */
    async follow(selector) {
        await this.page.bringToFront();
        await this.page.$eval(selector, (element) => element.scrollIntoView({ block: 'center' }));
        await Promise.all([this.page.waitForNavigation({ waitUntil: 'load' }), this.page.click(selector)]);
    }

    /** Puts this value into a field as a person would: the old one is replaced. */
    async fill(selector, value) {
        await this.page.click(selector, { count: 3 });
        await this.page.keyboard.press('Backspace');
        await this.page.type(selector, value);
    }

    async close() {
        await this.context.close();
    }
}
