import type { LifecycleRule } from "@aws-sdk/client-s3";
import { weakeningNames } from "../../site/schema.ts";
import { acts, except, isHeld, type Document, type DocumentName } from "./documents.ts";

interface Weakening {
  document: DocumentName;
  /** What is promised where the document holds. */
  promise: string;
  /** What follows where it does not. */
  consequence: string;
  /** A rule of the lifecycle without it; where there is no such thing the document goes as a whole. */
  rule?: (rule: LifecycleRule) => LifecycleRule;
}

export type WeakeningName = (typeof weakeningNames)[number];

/** What an operator can accept of a server that cannot do all that S3 can, by name. */
export const weakenings: Readonly<Record<WeakeningName, Weakening>> = {
  "no-versioning": whole(
    "versioning",
    "what is put over a backup leaves the backup there, as an older version",
    "whoever has the server's key overwrites every backup for good",
  ),
  "no-object-lock": whole(
    "objectLock",
    "nobody deletes a backup before its retention ends",
    "whoever may delete in the bucket, by a stolen key too, destroys every backup in it",
  ),
  "no-encryption": whole(
    "encryption",
    "the server encrypts what it keeps",
    "whoever reads its disks reads each backup that was not encrypted to a key of the site's own",
  ),
  "no-ownership": whole(
    "ownership",
    "access is given by policy alone, not object by object",
    "who puts an object can let others read it",
  ),
  "no-public-access-block": whole(
    "publicAccessBlock",
    "no policy and no object's own rights can open the bucket to the public",
    "one wrong line of a policy shows the backups to everybody",
  ),
  "no-policy": whole(
    "policy",
    "the bucket refuses what its policy denies, such as access without TLS",
    "only the rights of each key limit what is done with it",
  ),
  "no-lifecycle-transitions": part(
    "old backups move to cheaper storage",
    "they stay where they are and cost what they cost",
    (rule) => except(rule, "Transitions", "NoncurrentVersionTransitions"),
  ),
  "no-expiry-of-old-versions": part(
    "versions that were put over, and what marks a deletion, go in their time",
    "they stay for ever, and the bucket grows by them",
    ({ Expiration, ...rule }) => {
      const rest = except(rule, "NoncurrentVersionExpiration");
      const expiration = except(Expiration ?? {}, "ExpiredObjectDeleteMarker");
      return Object.keys(expiration).length === 0 ? rest : { ...rest, Expiration: expiration };
    },
  ),
  "no-removal-of-unfinished-uploads": part(
    "what an upload left that was cut off is removed",
    "it stays for ever, is in no listing, and is paid for",
    (rule) => except(rule, "AbortIncompleteMultipartUpload"),
  ),
  "no-lifecycle": whole(
    "lifecycle",
    "backups are removed when their time is over, and none before",
    "nothing in the bucket is ever removed, and it grows without end",
  ),
};

function whole(document: DocumentName, promise: string, consequence: string): Weakening {
  return { document, promise, consequence };
}

function part(promise: string, consequence: string, rule: NonNullable<Weakening["rule"]>): Weakening {
  return { document: "lifecycle", promise, consequence, rule };
}

/** A form of a document that the operator takes, and the weakenings of it; without one, that the bucket has none. */
export interface Attempt {
  document?: Document;
  weakenings: WeakeningName[];
}

/** The forms of a document that the operator takes, what was declared first, then those which leave least out. */
export function attempts(
  name: DocumentName,
  declared: Document,
  accepted: readonly WeakeningName[],
): Attempt[] {
  const { parts, wholes } = weakeningsOf(name, accepted);
  return [...formsOf(declared, parts), ...wholes.map((each) => ({ weakenings: [each] }))];
}

/**
 * The promises that a server breaks which answers with `live`: the fewest beside which both are the same, else all of the
 * document. Nothing more is known of a server that only refuses: every part may be the one.
 */
export function brokenPromises(
  name: DocumentName,
  declared: Document,
  live: Document | undefined,
): WeakeningName[] {
  const { parts, wholes } = weakeningsOf(name, weakeningNames);
  if (live === undefined) return wholes;
  const explaining = subsets(parts).find((subset) =>
    isHeld(name, without(declared, subset), without(live, subset)),
  );
  return explaining ?? wholes;
}

/** What is left of a document by some weakenings. */
export function weakened(
  name: DocumentName,
  declared: Document | undefined,
  names: readonly WeakeningName[],
): Document | undefined {
  const { parts, wholes } = weakeningsOf(name, names);
  return wholes.length > 0 || declared === undefined ? undefined : without(declared, parts);
}

function weakeningsOf(name: DocumentName, among: readonly WeakeningName[]) {
  const own = weakeningNames.filter((each) => weakenings[each].document === name && among.includes(each));
  const isPart = (each: WeakeningName) => weakenings[each].rule !== undefined;
  return { parts: own.filter(isPart), wholes: own.filter((each) => !isPart(each)) };
}

/** Of two forms that are the same one the first has the fewer weakenings. */
function formsOf(declared: Document, parts: WeakeningName[]): Required<Attempt>[] {
  const forms = subsets(parts).map((subset) => ({ document: without(declared, subset), weakenings: subset }));
  const texts = forms.map(({ document }) => JSON.stringify(document));
  return forms.filter((_, index) => texts[index] !== "[]" && texts.indexOf(texts[index] ?? "") === index);
}

/** A rule that does nothing any more goes, too: a server takes none. */
function without(declared: Document, parts: WeakeningName[]): Document {
  if (parts.length === 0) return declared;
  return (declared as LifecycleRule[])
    .map((rule) => parts.reduce((left, each) => weakenings[each].rule?.(left) ?? left, rule))
    .filter((rule) => acts({ ...rule }));
}

/** From none to all, those with few members first. */
function subsets<Member>(members: Member[]): Member[][] {
  return members
    .reduce<Member[][]>((all, member) => [...all, ...all.map((each) => [...each, member])], [[]])
    .sort((one, other) => one.length - other.length);
}
