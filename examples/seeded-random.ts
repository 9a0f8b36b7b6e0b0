/** A small deterministic generator (xorshift32): the same seed gives the same data on every machine. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // The golden ratio spreads small seeds; a state of 0 would stay 0 for ever.
    this.#state = Math.imul(seed + 1, 0x9e3779b9) | 0 || 1;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return (this.#next() >>> 0) % limit;
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }

  /** That many bytes, which do not compress. */
  bytes(count: number): Buffer {
    const words = new Int32Array(Math.ceil(count / 4));
    for (let index = 0; index < words.length; index++) words[index] = this.#next();
    return Buffer.from(words.buffer, 0, count);
  }

  #next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state;
  }
}
