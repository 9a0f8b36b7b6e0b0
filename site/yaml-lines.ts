import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter } from "yaml";

/** Finds the line in which a place of a YAML document is written. */
export class YamlLines {
  constructor(
    private readonly document: Document,
    private readonly counter: LineCounter,
  ) {}

  /** The line of a byte offset, counted from 1. */
  at(offset: number): number {
    return Math.max(1, this.counter.linePos(offset).line);
  }

  /** The line of the key or entry at `path`; of the nearest one above it when it is not written. */
  of(path: readonly PropertyKey[]): number {
    let node: unknown = this.document.contents;
    let line = 1;
    for (const part of path) {
      if (isAlias(node)) node = node.resolve(this.document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
        if (pair === undefined) return line;
        line = this.start(pair.key) ?? line;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(part)];
        line = this.start(node) ?? line;
      } else return line;
    }
    return line;
  }

  private start(node: unknown): number | undefined {
    if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return;
    const [offset] = node.range as unknown[];
    return typeof offset === "number" ? this.at(offset) : undefined;
  }
}
