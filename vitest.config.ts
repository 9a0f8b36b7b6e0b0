import { defineConfig } from "vitest/config";

/** The main thread: from a backup to a site that serves, every step of the way cut off once. `npm test` runs no other of its kind. */
const thread = ["cut-connection", "drill", "engine", "pulumi-up", "rebuild", "ssh"].map(
  (name) => `test/e2e/${name}.test.ts`,
);

/** A file waits for its hosts as often as it works them: two at a time on two cores. None asserts a speed. */
const onHosts = { maxWorkers: 2, testTimeout: 300_000, hookTimeout: 900_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { name: "thread", include: thread, ...onHosts, sequence: { groupOrder: 1 } } },
      {
        test: {
          name: "breadth",
          include: ["test/e2e/**/*.test.ts"],
          exclude: thread,
          ...onHosts,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
