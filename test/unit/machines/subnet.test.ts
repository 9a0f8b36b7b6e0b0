import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { freeSubnets, overlap, parseNetwork, type Network } from "../../../machines/subnet.ts";

const networks = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }), fc.integer({ min: 1, max: 32 }))
  .map(([a, b, prefix]) => parseNetwork(`${a}.${b}.7.9/${prefix}`))
  .filter((network) => network !== undefined);

describe("a machine's network", () => {
  it("is read from what `ip route` prints, and from nothing else", () => {
    expect(parseNetwork("10.1.2.0/24")).toEqual({ first: 0x0a010200, prefix: 24 });
    expect(parseNetwork("10.1.2.3")).toEqual({ first: 0x0a010203, prefix: 32 });
    expect(parseNetwork("10.1.2.3/8")).toEqual({ first: 0x0a000000, prefix: 8 });
    for (const text of ["default", "", "fe80::/64", "10.1.2", "300.1.1.1", "10.0.0.0/33"]) {
      expect(parseNetwork(text)).toBeUndefined();
    }
  });

  it("has this computer's and the machine's address, in a range for private use", () => {
    const [subnet] = freeSubnets([], () => 0);
    expect(subnet).toEqual({ network: "10.0.0.0", host: "10.0.0.1", guest: "10.0.0.2" });
  });

  it("moves to another private range when a route covers the first one", () => {
    const vpn: Network = { first: 10 * 2 ** 24, prefix: 8 };
    const [subnet] = freeSubnets([vpn], () => 0);
    expect(subnet?.network).toBe("172.16.0.0");
  });

  it("is not found when routes cover every private range", () => {
    expect([...freeSubnets([{ first: 0, prefix: 0 }], () => 0.5)]).toEqual([]);
  });

  it("never touches a network that is taken", () => {
    fc.assert(
      fc.property(
        fc.array(networks, { maxLength: 20 }),
        fc.array(fc.double({ min: 0, max: 0.999999, noNaN: true }), { minLength: 1, maxLength: 50 }),
        (taken, numbers) => {
          let drawn = 0;
          const random = () => numbers[drawn++ % numbers.length] ?? 0;
          const [subnet] = freeSubnets(taken, random);
          const chosen = subnet && parseNetwork(`${subnet.network}/30`);
          return chosen === undefined || !taken.some((network) => overlap(network, chosen));
        },
      ),
      { numRuns: 50 },
    );
  });
});
