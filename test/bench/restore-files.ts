import { execa } from "execa";
import { prepareSample } from "../../examples/chatbot/prepare.ts";
import { drilled, tellSteps } from "./drilled.ts";
import { figure, say } from "./figure.ts";
import { timedInside, whileKept } from "./kept-machine.ts";

const fileBytes = 4 * 1024 ** 2;
const steps = ["unpack-members", "stage-databases", "stage-files", "restore"];

/** A restore point of our own format with 2 GiB of uploads, beside `zstd -dc | tar -x` of the same bytes on the same machine. */
export async function restoreFiles(directory: string): Promise<void> {
  say("making a restore point with uploads of 2 GiB, such as photos: they do not compress");
  const sample = await prepareSample({ directory, format: "own", uploads: 512, uploadBytes: fileBytes });
  await whileKept(await drilled(sample.site, { baked: true, keep: true }), async ({ record, enter }) => {
    await execa("bash", [
      "-o",
      "pipefail",
      "-c",
      `tar -C "$0" -cf - . | ${enter} 'mkdir -p /root/point && tar -C /root/point -xf -'`,
      sample.archive,
    ]);
    const floor = await timedInside(
      enter,
      "mkdir /root/floor && cd /root/floor && for tar in /root/point/*.tar.zst; do zstd -q -dc $tar | tar -x; done; zstd -q -dc /root/point/database-*.zst >database",
    );
    figure("floor: zstd -dc | tar -x of 2 GiB", floor, floor);
    tellSteps("ours: unpacked, hashed, compared, put in place", record, steps, floor);
  });
}
