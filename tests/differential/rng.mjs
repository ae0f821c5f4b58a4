// Random choices that follow from a seed and a case's number alone, so that any case can be made again.
export class Rng {
    constructor(seed, number) {
        this.state = [0x9e3779b9 ^ seed, 0x243f6a88 ^ number, 0xb7e15162, 0xdeadbeef ^ Math.imul(seed, 31)];
        for (let i = 0; i < 16; i++)
            this.next();
    }

    // xoshiro128**
    next() {
        const s = this.state;
        const r = Math.imul(s[1], 5);
        const result = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
        const t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = (s[3] << 11) | (s[3] >>> 21);
        return result;
    }

    below(n) {
        return this.next() % n;
    }

    chance(oneIn) {
        return this.below(oneIn) === 0;
    }

    pick(list) {
        return list[this.below(list.length)];
    }

    // `make` that often, at most.
    many(most, make) {
        return Array.from({ length: this.below(most + 1) }, make);
    }

    // A text with a few bytes changed, left out, doubled, or put in from `odd`.
    mutate(text, odd, times = 3) {
        for (let i = this.below(times + 1); i > 0; i--) {
            const at = this.below(text.length + 1);
            const len = this.chance(4) ? this.below(12) : 1;
            switch (this.below(4)) {
            case 0: text = text.slice(0, at) + this.pick(odd) + text.slice(at); break;
            case 1: text = text.slice(0, at) + text.slice(at + len); break;
            case 2: text = text.slice(0, at) + text.slice(at, at + len) + text.slice(at); break;
            default: text = text.slice(0, at) + this.pick(odd) + text.slice(at + 1);
            }
        }
        return text;
    }
}
