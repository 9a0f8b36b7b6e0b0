import type { TransitionStorageClass } from "@aws-sdk/client-s3";

/** What S3 asks for a storage class that objects are moved to. */
interface StorageClassTerms {
  /** How old an object must at least be to be moved there, in days. */
  earliestDays: number;
  /** For how many days it is billed there, however soon it is removed. */
  minimumDays: number;
  /** How long it takes until it can be read again, at the longest, in seconds; 0: at once. */
  thawSeconds: number;
}

/**
 * Per class: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html,
 * storage-class-intro.html, and restoring-objects-retrieval-options.html (standard retrieval).
 */
export const storageClasses: Readonly<Record<TransitionStorageClass, StorageClassTerms>> = {
  INTELLIGENT_TIERING: { earliestDays: 0, minimumDays: 0, thawSeconds: 0 },
  STANDARD_IA: { earliestDays: 30, minimumDays: 30, thawSeconds: 0 },
  ONEZONE_IA: { earliestDays: 30, minimumDays: 30, thawSeconds: 0 },
  GLACIER_IR: { earliestDays: 0, minimumDays: 90, thawSeconds: 0 },
  GLACIER: { earliestDays: 0, minimumDays: 90, thawSeconds: 5 * 3600 },
  DEEP_ARCHIVE: { earliestDays: 0, minimumDays: 180, thawSeconds: 12 * 3600 },
};

/** No object of infrequent access is billed for less. */
export const infrequentBytes = 128 * 1024;

/** No manifest is larger, so what is larger may freeze: whoever lists backups reads manifests alone. */
export const largestManifestBytes = 1024 ** 2;
