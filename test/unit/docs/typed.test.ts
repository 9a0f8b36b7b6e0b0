import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fencedBlocks, fencedLines, pages, root } from "./documents.ts";

const read = (file: string) => readFileSync(new URL(file, root), "utf8");

const runsTests = "it runs tests; continuous integration runs all of them, these too";
const measures = "it measures: minutes on a computer that has nothing else to do";
const asksAws = "it wants an account of AWS; what it would be asked for is tested apart (docs/offsite.md)";
const asksAzure =
  "it wants a subscription of Azure; what it would be asked for is tested apart (docs/offsite.md)";
/** What no test carries out, and why. */
const notTyped: Readonly<Record<string, string>> = {
  "npm test": runsTests,
  "npx vitest run --project unit": runsTests,
  "npx vitest run --project unit test/unit/backups": runsTests,
  "npx vitest run test/e2e/rebuild.test.ts": runsTests,
  'npx vitest run test/e2e/drill.test.ts -t "two drills at once"': runsTests,
  "npm run bench": measures,
  "npm run bench -- drill": measures,
  "npm run bench -- drill-postgresql": measures,
  "npm run bench -- baked": measures,
  "npm run bench -- backup": measures,
  "npm run bench -- restore": measures,
  "npm run bench -- restore-postgresql": measures,
  "pulumi stack init photo-club.offsite": asksAws,
  "pulumi up": asksAws,
  "pulumi stack output buckets": asksAws,
  "pulumi stack init photo-club.server": asksAws,
  'eval "$(pulumi stack output fingerprint)"': asksAws,
  "pulumi stack init photo-club.dns": asksAws,
  "pulumi config set address 192.0.2.10": asksAws,
  "pulumi config set adopt true": asksAws,
  "pulumi config set aws:region eu-central-1": asksAws,
  "pulumi config rm adopt": asksAws,
  "aws iam create-access-key --user-name photo-club-backups-writer": asksAws,
  "az group create --name photo-club-backups --location westeurope": asksAzure,
  ...Object.fromEntries(
    ["writer --permissions rcwl", "reader --permissions rl"].map((policy) => [
      `az storage container policy create --account-name photoclub --container-name backups --name ${policy} --expiry 2028-01-01`,
      asksAzure,
    ]),
  ),
  ...Object.fromEntries(
    ["writer", "reader"].map((policy) => [
      `az storage container generate-sas --account-name photoclub --name backups --policy-name ${policy} --https-only --output tsv`,
      asksAzure,
    ]),
  ),
};

/** Scripts of bash: the test that carries out all those of a page; for another page, why none does. */
const scripts: Readonly<Record<string, string | { because: string }>> = {
  "docs/first-site.md": "test/e2e/first-site.test.ts",
  "docs/format.md": "test/unit/docs/format.test.ts",
  "docs/benchmarks.md": { because: measures },
};

/** The command lines that tests on real hosts type, and the file that does. */
const typed = new Map(
  readdirSync(new URL("test/e2e", root)).flatMap((file) =>
    [...read(`test/e2e/${file}`).matchAll(/\btyped\(\s*(["'])(.*?)\1/g)].map(
      ([, , line = ""]) => [sameSite(line), file] as const,
    ),
  ),
);
const byContinuousIntegration = read(".ci/run").split("\n");

/** The site of one page lies elsewhere than that of another. */
function sameSite(line: string): string {
  return line.replace("/srv/club/site.yaml", "site.yaml");
}

/** Without comments. */
const lines = pages.flatMap(({ path, text }) =>
  fencedLines(text, "console").map((line) => ({
    path,
    line: sameSite(line.replace(/\s+# ?.*$/, "")),
  })),
);

describe("a command line of the documentation", () => {
  test("is carried out by a test on a real host, or by continuous integration, or it is said why not", () => {
    const isCarriedOut = (line: string) =>
      typed.has(line) || byContinuousIntegration.includes(line) || line in notTyped;
    const left = lines.filter(({ line }) => !isCarriedOut(line) && !line.split(" && ").every(isCarriedOut));
    expect(left.map(({ path, line }) => `${path}: ${line}`)).toEqual([]);
    expect(lines.length).toBeGreaterThan(50);
  });

  test("that is typed in a test, or excused, is still in a page", () => {
    const known = new Set(lines.flatMap(({ line }) => [line, ...line.split(" && ")]));
    expect([...typed.keys(), ...Object.keys(notTyped)].filter((line) => !known.has(line))).toEqual([]);
  });
});

test("a script of the documentation is carried out whole by a test of its page, or it is said why not", () => {
  const withScripts = pages.filter(({ text }) =>
    ["bash", "sh"].some((kind) => fencedBlocks(text, kind).length > 0),
  );
  expect(withScripts.map(({ path }) => path).sort()).toEqual(Object.keys(scripts).sort());
  for (const [path, carriedOutBy] of Object.entries(scripts)) {
    if (typeof carriedOutBy === "string") expect(read(carriedOutBy)).toContain(`page("${path}")`);
  }
});
