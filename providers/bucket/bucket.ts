import { CustomResource, type CustomResourceOptions, type Inputs, type Output } from "@pulumi/pulumi";
import type { StatedWeakening } from "./carry-out.ts";
import type { Documents } from "./documents.ts";
import type { BucketInputs } from "./inputs.ts";

export const bucketType = "recovery:storage:Bucket";

/**
 * A bucket at a server that speaks S3 and is not AWS: MinIO, Ceph, R2, B2, Wasabi, Hetzner, Garage.
 *
 * Its documents have the shapes of S3's API. Each is read back after it was put: what the server cannot do is a refusal, or is stated in
 * `weakenings` when `accepted` names it. Credentials are those of the environment, as AWS' own programs take them, and never inputs.
 * The bucket stays when the resource goes, unless `onDelete` is `delete-when-empty` and nothing is in it.
 *
 * @example new Bucket("club-daily", { endpoint: "https://s3.example.net", region: "eu-central-1", bucket: "club-daily",
 *   versioning: { Status: "Enabled" }, accepted: ["no-public-access-block"] })
 */
export class Bucket extends CustomResource {
  declare readonly weakenings: Output<StatedWeakening[]>;

  constructor(
    name: string,
    // What of the SDK's shapes a bucket may be given, the provider says.
    args: Omit<BucketInputs, keyof Documents> & { [Name in keyof Documents]?: Documents[Name] | undefined },
    options?: CustomResourceOptions,
  ) {
    const inputs: Inputs = { ...args, weakenings: undefined };
    super(bucketType, name, inputs, options);
  }
}
