// The page: a card for each product, and a button that buys one unit of it. It buys one however often it is pressed and
// the page is loaded again, as the key of a purchase is kept until the purchase has failed.
import settings from './settings.js';
import { follow, place, products, sleep } from './shop.js';

const money = new Intl.NumberFormat('en', { style: 'currency', currency: settings.currency });
const buyer = localStorage.buyer ??= crypto.randomUUID(); // a shop knows its buyers by their login

class Card {
    constructor({ id }) {
        this.element = document.querySelector('#product').content.firstElementChild.cloneNode(true);
        Object.assign(this, { id, button: this.part('button'), busy: false });
        this.button.addEventListener('click', () => this.buy());
        document.querySelector('#products').append(this.element);
        if (this.attempt) this.buy(); // the page was loaded again meanwhile
    }

    part(selector) {
        return this.element.querySelector(selector);
    }

    /** The purchase that has begun and has not failed: its key, its order, and its job once the order is accepted. */
    get attempt() { return JSON.parse(sessionStorage.getItem(`attempt-${this.id}`)); }
    set attempt(attempt) { sessionStorage.setItem(`attempt-${this.id}`, JSON.stringify(attempt)); }

    show({ name, price, currentStock, flashSaleActive }) {
        this.part('h2').textContent = name;
        this.part('.price').textContent = money.format(price);
        this.part('.left').textContent = currentStock > 0 ? `${currentStock} left` : 'Sold out';
        this.button.setAttribute('aria-label', `Buy ${name}`);
        this.button.disabled = this.attempt !== null || currentStock === 0;
        this.element.hidden = this.attempt === null && !flashSaleActive;
    }

    say = (text, time = '') => {
        // Written only if it changes, so that a screen reader says it once.
        if (this.part('[role=status]').textContent !== text) this.part('[role=status]').textContent = text;
        this.part('[role=timer]').textContent = time;
    };

    async buy() {
        if (this.busy) return;
        this.busy = this.button.disabled = true;
        this.attempt ??= { key: crypto.randomUUID(), order: { productId: this.id, userId: buyer, quantity: 1 } };
        if (!this.attempt.jobId) this.attempt = { ...this.attempt, ...await place(this.attempt, this.say) };
        let { jobId, reason, orderId } = this.attempt;
        while (!reason && !orderId) {
            const order = await follow(jobId, this.say);
            if (order.pending) await this.wait(order);
            ({ reason, orderId } = order);
        }
        if (reason) this.attempt = null;
        this.say(reason ?? `It is yours: order ${orderId}.`);
        this.busy = this.button.disabled = !reason;
    }

    /** Three seconds of the countdown, or of the line. */
    async wait({ expiresAt, queuePosition }) {
        for (let tick = 0; tick < 3; tick += 1) {
            const left = Math.max(0, Math.ceil((Date.parse(expiresAt) - Date.now()) / 1_000));
            const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
            if (expiresAt) this.say('Reserved. Please pay within', time);
            else this.say(queuePosition ? `Ordered: number ${queuePosition} in the line.` : 'Ordered.');
            await sleep(1_000);
        }
    }
}

const cards = new Map();
for (const notice = document.querySelector('#notice'); ; await sleep(5_000)) {
    const listed = await products((text) => { notice.textContent = text; });
    for (const product of listed) {
        if (!cards.has(product.id)) cards.set(product.id, new Card(product));
        cards.get(product.id).show(product);
    }
    if (listed.length > 0) notice.textContent = '';
}
