import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mirrorsOf } from "../../../machines/base.ts";
import { mirrorFromIndexTargets, repositoriesFromUris, sourcesOf } from "../../../machines/debian-mirror.ts";

describe("the Debian mirror", () => {
  it("is this computer's own, told from repositories of third parties", () => {
    const output = [
      "https://download.docker.com/linux/debian/|Docker|Docker CE",
      "http://mirror.example.org/debian/|Debian|Debian",
      "http://mirror.example.org/debian-security/|Debian|Debian-Security",
      "http://other.example.org/debian/|Debian|Debian",
      "http://archive.ubuntu.com/ubuntu/|Ubuntu|Ubuntu",
    ].join("\n");
    expect(mirrorFromIndexTargets(output)).toEqual({
      archive: "http://mirror.example.org/debian",
      security: "http://mirror.example.org/debian-security",
    });
  });

  it("is not taken from a list of mirrors, which is no host", () => {
    expect(mirrorFromIndexTargets("mirror+file:/etc/apt/mirrors/debian.list/|Debian|Debian")).toEqual({});
  });

  it("is looked for among what apt would fetch where it has no lists", () => {
    const output = [
      "'http://mirror.example.org/debian/dists/bookworm/InRelease' mirror_debian_dists_bookworm_InRelease 0 ",
      "'http://mirror.example.org/debian/dists/bookworm-updates/InRelease' x 0 ",
      "'https://apt.example.com/dists/nodistro/InRelease' y 0 ",
    ].join("\n");
    expect(repositoriesFromUris(output)).toEqual([
      "http://mirror.example.org/debian",
      "https://apt.example.com",
    ]);
  });

  it("is read without failing from whatever apt prints", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        mirrorFromIndexTargets(text);
        repositoriesFromUris(text);
      }),
    );
  });

  it("gives a release its updates and security updates, and the proxy the hosts to admit", () => {
    const sources = sourcesOf("13", {
      archive: "http://cache.example.org:3142/debian",
      security: "https://security.example.org/debian-security",
    });
    expect(sources).toEqual([
      "deb http://cache.example.org:3142/debian trixie main",
      "deb http://cache.example.org:3142/debian trixie-updates main",
      "deb https://security.example.org/debian-security trixie-security main",
    ]);
    expect(mirrorsOf(sources)).toEqual([
      { host: "cache.example.org", port: 3142 },
      { host: "security.example.org", port: 443 },
    ]);
  });
});
