import { expect, test } from "vitest";
import { lookInputs } from "../../../runbook/look.ts";
import { siteSchema } from "../../../site/schema.ts";
import { smallSite, writtenElsewhere } from "./small-site.ts";

test.each([
  ["beside its site is looked at as a file", smallSite, "database\tclub\t/var/www/club/data/club.db"],
  [
    "on a server of its own is asked for with the variables that lead there",
    siteSchema.parse(writtenElsewhere),
    "elsewhere\tclub\tclub_data\tclub\tpassword=DB_PASSWORD\thost=DB_HOST",
  ],
])("a database %s", (_, site, line) => {
  const lines = lookInputs(site).split("\n");
  expect(lines.filter((one) => /^(database|postgresql|elsewhere)\t/.test(one))).toEqual([line]);
  expect(lines).toContain("table\tclub\tmembers");
});
