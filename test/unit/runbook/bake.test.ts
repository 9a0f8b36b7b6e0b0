import { expect, test } from "vitest";
import { planBake } from "../../../runbook/bake.ts";

test("packages are baked in by the scripts that install them in a recovery, all that it installs, and by no other", () => {
  const packages = {
    building: ["git"],
    serving: ["nginx", "php8.2-fpm"],
    certificates: ["certbot"],
    guards: ["ufw"],
  };
  expect(planBake(packages).map(({ script, inputs, secrets }) => ({ script, inputs, secrets }))).toEqual([
    { script: "download-packages", inputs: packages, secrets: [] },
    {
      script: "install-packages",
      inputs: { packages: ["git", "nginx", "php8.2-fpm", "certbot", "ufw"] },
      secrets: [],
    },
  ]);
});
