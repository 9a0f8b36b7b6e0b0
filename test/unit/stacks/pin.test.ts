import fc from "fast-check";
import { expect, test } from "vitest";
import { parsePin, pinText } from "../../../backups/pin.ts";

const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const pins = fc.oneof(
  fc.record({
    id: fc.stringMatching(/^[A-Za-z0-9_.-]{1,40}$/),
    manifestSha256: hash,
    archiveSha256: hash,
  }),
  fc.record({
    id: fc.stringMatching(/^(hourly|daily)\/20\d{6}T\d{6}Z$/),
    manifestSha256: hash,
    archiveSha256: fc.constant(null),
  }),
);

test("every pin can be read back from its text, which a shell takes as one word", () => {
  fc.assert(
    fc.property(pins, (pin) => {
      const text = pinText(pin);
      expect(parsePin(text)).toEqual(pin);
      expect(text).toMatch(/^[\w.@/-]+$/);
    }),
  );
});

test("any other text is no pin", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("a", "0", "@", "-", "\n") })),
      (text) => {
        const pin = parsePin(text);
        if (pin !== undefined) expect(pinText(pin)).toBe(text);
      },
    ),
  );
  fc.assert(
    fc.property(pins, fc.nat(), fc.constantFrom("", "@", " ", "\n", "G", "é"), (pin, position, other) => {
      const text = pinText(pin);
      const at = pin.id.length + (position % (text.length - pin.id.length));
      const changed = `${text.slice(0, at)}${other}${text.slice(at + 1)}`;
      fc.pre(changed !== text);
      expect(parsePin(changed)).toBeUndefined();
    }),
  );
});

test("a hash in capitals, a line end behind it, and a missing half are no pin", () => {
  const [manifest, archive] = ["a".repeat(64), "b".repeat(64)];
  expect(parsePin(`point@${manifest}@${archive}`)).toEqual({
    id: "point",
    manifestSha256: manifest,
    archiveSha256: archive,
  });
  for (const text of [
    `point@${manifest.toUpperCase()}@${archive}`,
    `point@${manifest}@${archive}\n`,
    `point@${manifest}`,
    `@${manifest}@${archive}`,
    `po int@${manifest}@${archive}`,
    "",
  ]) {
    expect(parsePin(text)).toBeUndefined();
  }
});
