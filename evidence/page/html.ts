/** A piece of a page that may stand in another as it is. Only `html` and `trusted` make one. */
export class Html {
  readonly #markup: string;
  constructor(markup: string) {
    this.#markup = markup;
  }
  toString(): string {
    return this.#markup;
  }
}

type Value = string | number | Html | readonly Html[] | null;

/** Markup with values in it: whatever is not markup itself is text, in an element as in a quoted attribute. */
export function html(markup: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(String.raw({ raw: markup }, ...values.map(inMarkup)));
}

/** Markup of the program's own making. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

function inMarkup(value: Value): string {
  if (value === null) return "";
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.join("");
  return printable(String(value)).replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Text that is read as it stands: control characters and halves of characters, which a page cannot hold, and what would
 * turn the direction of the text after it become U+FFFD.
 */
export function printable(text: string): string {
  return text.replaceAll(unprintable, "\ufffd");
}

// eslint-disable-next-line no-control-regex
const unprintable = /[\p{Cs}\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu;
