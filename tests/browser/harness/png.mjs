// Makes a screenshot small: PNG as Chromium writes it (8 bits a channel, not interlaced) to one with a palette.
import { deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function chunks(png) {
    const found = [];
    for (let at = 8; at < png.length;) {
        const length = png.readUInt32BE(at);
        found.push([png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + length)]);
        at += length + 12;
    }
    return found;
}

/** What the filter of a line adds to a byte: `a` is left of it, `b` above, `c` above and left. */
function predicted(filter, a, b, c) {
    if (filter === 1) return a;
    if (filter === 2) return b;
    if (filter === 3) return (a + b) >> 1;
    if (filter !== 4) return 0;
    const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
    if (pa <= pb && pa <= pc) return a;
    return pb <= pc ? b : c;
}

/** Width, height and the red, green and blue of each pixel as one number. */
function decode(png) {
    const parts = chunks(png);
    const head = parts.find(([name]) => name === 'IHDR')[1];
    const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3];
    if (head[8] !== 8 || head[12] !== 0 || ![2, 6].includes(head[9])) throw new Error('not a screenshot of Chromium');
    const raw = inflateSync(Buffer.concat(parts.filter(([name]) => name === 'IDAT').map(([, data]) => data)));
    const stride = width * channels;
    const bytes = new Uint8Array(stride * height);
    for (let y = 0; y < height; y += 1) {
        const filter = raw[y * (stride + 1)];
        for (let x = 0; x < stride; x += 1) {
            const at = y * stride + x;
            const a = x >= channels ? bytes[at - channels] : 0;
            const b = y > 0 ? bytes[at - stride] : 0;
            const c = x >= channels && y > 0 ? bytes[at - stride - channels] : 0;
            bytes[at] = raw[y * (stride + 1) + 1 + x] + predicted(filter, a, b, c);
        }
    }
    const pixels = new Uint32Array(width * height);
    for (let n = 0, at = 0; n < pixels.length; n += 1, at += channels) {
        pixels[n] = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    }
    return { width, height, pixels };
}

/** The most frequent colours, no two of them nearly alike, and for each colour the one that stands for it. */
function palette(pixels, most) {
    const count = new Map();
    for (const pixel of pixels) count.set(pixel, (count.get(pixel) ?? 0) + 1);
    const far = (a, b) => ((a >> 16) - (b >> 16)) ** 2 + (((a >> 8) & 255) - ((b >> 8) & 255)) ** 2 + ((a & 255) - (b & 255)) ** 2;
    const byCount = [...count].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
    const chosen = [];
    for (const colour of byCount) {
        if (chosen.length === most) break;
        if (chosen.length < 24 || chosen.every((other) => far(colour, other) > 100)) chosen.push(colour);
    }
    const stands = new Map(byCount.map((colour) => {
        let best = 0;
        for (let n = 1; n < chosen.length; n += 1) if (far(colour, chosen[n]) < far(colour, chosen[best])) best = n;
        return [colour, best];
    }));
    return { chosen, stands };
}

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
});

function chunk(name, data) {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    let crc = 0xffffffff;
    for (const byte of body) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
    return Buffer.concat([length, body, sum]);
}

/** The same picture with at most so many colours. */
export function reduced(png, colours = 96) {
    const { width, height, pixels } = decode(Buffer.from(png));
    const { chosen, stands } = palette(pixels, colours);
    const lines = Buffer.alloc((width + 1) * height);
    for (let y = 0; y < height; y += 1) {
        for (let x = 0; x < width; x += 1) lines[y * (width + 1) + 1 + x] = stands.get(pixels[y * width + x]);
    }
    const head = Buffer.alloc(13);
    head.writeUInt32BE(width, 0);
    head.writeUInt32BE(height, 4);
    head.set([8, 3, 0, 0, 0], 8);
    const table = Buffer.from(chosen.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
    return Buffer.concat([
        SIGNATURE, chunk('IHDR', head), chunk('PLTE', table), chunk('IDAT', deflateSync(lines, { level: 9 })), chunk('IEND', Buffer.alloc(0)),
    ]);
}
