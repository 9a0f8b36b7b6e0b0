import { exitCodes, OperatorError } from "../../site/operator-error.ts";

/** Which bucket it is: where, under which region's name requests are signed, and its own name. */
export interface BucketIdentity {
  endpoint: string;
  region: string;
  bucket: string;
}

/** The inputs of which another value is another bucket. */
export const identityProperties = ["endpoint", "region", "bucket"] as const;

/** `https://s3.example.net/club-daily?region=eu-central-1`: all that it takes to find the bucket, so that it can be imported. */
export function idOf({ endpoint, region, bucket }: BucketIdentity): string {
  return `${endpoint.replace(/\/+$/, "")}/${bucket}?region=${region}`;
}

/** Throws an OperatorError (2) that never repeats the id: one with an account in it holds a password. */
export function parseId(id: string): BucketIdentity {
  const [, endpoint, bucket, region] =
    /^(https:\/\/[^/?#@\s]+(?:\/[^?#\s]*)?)\/([a-z0-9.-]+)\?region=([a-z0-9-]+)$/.exec(id) ?? [];
  if (endpoint === undefined || bucket === undefined || region === undefined)
    throw new OperatorError(
      exitCodes.usage,
      "the id names no bucket",
      "a bucket is imported by endpoint, name and region: https://HOST/BUCKET?region=REGION",
      "give it in quotes, such as 'https://s3.example.net/club-daily?region=eu-central-1'",
    );
  return { endpoint, region, bucket };
}
