/** Cuts a stream of bytes into lines, and hands each on as it ends. */
export class Lines {
  #rest = "";
  readonly #decoder = new TextDecoder();
  readonly #tell: (line: string) => void;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  add(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#tell(line);
  }

  /** The last line may have no end of its own. */
  end(): void {
    if (this.#rest !== "") this.#tell(this.#rest);
  }
}
