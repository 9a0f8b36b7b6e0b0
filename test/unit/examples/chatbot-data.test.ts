import { execa } from "execa";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { environmentFile } from "../../../examples/environment-file.ts";
import { insertStatements } from "../../../examples/chatbot/rows.ts";
import { uploadPath } from "../../../examples/chatbot/sample-uploads.ts";
import { literal } from "../../../examples/insert-statements.ts";
import { SeededRandom } from "../../../examples/seeded-random.ts";

describe("the sample's data", () => {
  it("is drawn from a generator that gives the same on every machine", () => {
    expect(new SeededRandom(1).bytes(12).toString("hex")).toBe("328c18a25d2a4cc01eb3f2e5");
    expect(new SeededRandom(1).bytes(12)).toEqual(new SeededRandom(1).bytes(13).subarray(0, 12));
    expect(new SeededRandom(1).bytes(12)).not.toEqual(new SeededRandom(2).bytes(12));
  });

  it("names every upload differently, and never outside the folder of uploads", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (one, other) => {
        const path = uploadPath(one);
        expect(path).not.toMatch(/^\/|(^|\/)\.\.(\/|$)|\p{Cc}/u);
        expect(path === uploadPath(other)).toBe(one === other);
      }),
    );
  });

  it("reaches SQLite unchanged, whatever is in a text", async () => {
    const texts = fc.sample(fc.string({ unit: "binary" }), 200).map((text) => text.replaceAll("\0", ""));
    const traps = ["'", "''", ".quit", "\n.quit\n", "; DROP TABLE agents; --", "\\", '"', "\r\n"];
    const all = [...traps, ...texts];
    const { stdout } = await execa("sqlite3", ["-init", "/dev/null", "-batch", "-bail"], {
      input: all.map((text) => `SELECT hex(${literal(text)});\n`).join(""),
      stripFinalNewline: false,
    });
    expect(stdout).toBe(all.map((text) => `${Buffer.from(text).toString("hex").toUpperCase()}\n`).join(""));
  });

  it("is inserted in statements of a bounded size", () => {
    const statements = [...insertStatements({ agents: 1, messages: 5000 })];
    expect(Math.max(...statements.map((statement) => statement.length))).toBeLessThan(64 * 1024);
  });
});

describe("the sample's .env", () => {
  it("quotes what needs quotes and nothing else", () => {
    expect(environmentFile({ PLAIN: "sk-a_b.c/d+e==", EMPTY: "", SPACED: `a "b" # $c\\d\n'e'\r` })).toBe(
      [
        "# The names are described in the example of this file, beside the program.",
        "PLAIN=sk-a_b.c/d+e==",
        "EMPTY=",
        String.raw`SPACED="a \"b\" # \$c\\d\n'e'\r"`,
        "",
      ].join("\n"),
    );
  });

  it("stays one line a variable, whatever is in a value", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        expect(environmentFile({ NAME: value }).split(/\r\n|\n|\r/)).toHaveLength(3);
      }),
    );
  });
});
