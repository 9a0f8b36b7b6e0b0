import type {
  LifecycleRule,
  ObjectLockConfiguration,
  OwnershipControls,
  PublicAccessBlockConfiguration,
  ServerSideEncryptionConfiguration,
  VersioningConfiguration,
} from "@aws-sdk/client-s3";
import { isDeepStrictEqual } from "node:util";

/** What a bucket may be given, each in the shape of S3's API. */
export interface Documents {
  versioning?: VersioningConfiguration;
  objectLock?: ObjectLockConfiguration;
  encryption?: ServerSideEncryptionConfiguration;
  ownership?: OwnershipControls;
  publicAccessBlock?: PublicAccessBlockConfiguration;
  policy?: object;
  lifecycle?: LifecycleRule[];
}
export type DocumentName = keyof Documents;
export type Document = NonNullable<Documents[DocumentName]>;

/** In the order in which a bucket is given them: no lock without versions, no policy before the public is kept out. */
export const documentNames = [
  "versioning",
  "objectLock",
  "encryption",
  "ownership",
  "publicAccessBlock",
  "policy",
  "lifecycle",
] as const satisfies DocumentName[];

/**
 * What does harm where nobody declared it: a rule that expires backups, a policy that lets somebody in. It is drift, and taken away. The
 * other documents protect, many servers set them by themselves, and one that nobody declared is left as it is.
 */
export const harmful: ReadonlySet<DocumentName> = new Set(["policy", "lifecycle"]);

/** Whether a server that answers with `live` holds `declared`: servers add defaults, and order rules and fields as they like. */
export function isHeld(name: DocumentName, declared?: Document, live?: Document): boolean {
  return isDeepStrictEqual(normal(name, declared), normal(name, withoutUnasked(declared, live)));
}

/**
 * The lines in which they differ, `Rules[0].Expiration.Days: 30 was declared, the server answers nothing`. Never more than three:
 * a server that keeps half of a document drops many.
 */
export function differences(name: DocumentName, declared?: Document, live?: Document): string[] {
  if (isHeld(name, declared, live)) return [];
  if (live === undefined) return ["it was put, and the server has none when it is asked"];
  const [asked, answered] = [declared, withoutUnasked(declared, live)].map(
    (document) => new Map(leaves(normal(name, document), "")),
  ) as [Map<string, string>, Map<string, string>];
  const paths = [...new Set([...asked.keys(), ...answered.keys()])];
  const lines = paths
    .filter((path) => asked.get(path) !== answered.get(path))
    .map(
      (path) =>
        `${path}: ${asked.get(path) ?? "nothing"} was declared, the server answers ${answered.get(path) ?? "nothing"}`,
    );
  return lines.length <= 3 ? lines : [...lines.slice(0, 2), `and ${lines.length - 2} lines more`];
}

function leaves(value: unknown, path: string): [string, string][] {
  if (typeof value !== "object" || value === null)
    return value === undefined ? [] : [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => {
    // Rules are told apart by their id, statements by their place.
    const name = Array.isArray(value) ? `[${idOf(inner) ?? key}]` : key;
    return leaves(inner, path === "" || name.startsWith("[") ? `${path}${name}` : `${path}.${name}`);
  });
}

function idOf(value: unknown): string | undefined {
  const id = (value as Record<string, unknown> | null)?.["ID"];
  return typeof id === "string" ? id : undefined;
}

/** AWS forbids SSE-C in a new bucket by itself: that is only looked at where it was declared. */
function withoutUnasked(declared?: Document, live?: Document): unknown {
  if (JSON.stringify(declared ?? {}).includes('"BlockedEncryptionTypes"')) return live;
  return mapObjects(live, (object) => except(object, "BlockedEncryptionTypes"));
}

/** The one form of all documents that mean the same. */
function normal(name: DocumentName, document: unknown): unknown {
  if (document === undefined) return undefined;
  if (name === "policy") return normalPolicy(document);
  const plain = mapObjects(document, withoutDefaults);
  if (name !== "lifecycle") return plain;
  return (plain as Record<string, unknown>[]).filter(acts).map(normalRule).sort(byText);
}

/** What a server may say or leave out, since it means the same: moto says `Years: 0`, others leave out false. */
function withoutDefaults(object: Record<string, unknown>): Record<string, unknown> {
  const fields = Object.entries(object).filter(
    ([name, value]) => value !== undefined && value !== false && !isDefault(name, value),
  );
  return Object.fromEntries(fields.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function isDefault(name: string, value: unknown): boolean {
  switch (name) {
    case "Years":
    case "NewerNoncurrentVersions":
    case "ObjectSizeGreaterThan":
      return value === 0;
    case "KMSMasterKeyID":
      return value === "";
    case "MFADelete":
      return value === "Disabled";
    default:
      return false;
  }
}

const actions = [
  "Expiration",
  "Transitions",
  "NoncurrentVersionExpiration",
  "NoncurrentVersionTransitions",
  "AbortIncompleteMultipartUpload",
] as const;

/** Whether a rule of a lifecycle does anything. Servers leave out the actions that they do not know, and keep the rest of the rule. */
export function acts(rule: Record<string, unknown>): boolean {
  return actions.some((action) => Object.keys(rule[action] ?? {}).length > 0);
}

/** A rule's prefix stands beside the filter in the older form, in it, or in its `And`; an empty one is none. */
function normalRule({ Prefix, Filter, ...rule }: Record<string, unknown>): unknown {
  const { And, Prefix: ofFilter, Tag, ...conditions } = (Filter ?? {}) as Record<string, unknown>;
  const { Prefix: ofAnd, Tags, ...furtherConditions } = (And ?? {}) as Record<string, unknown>;
  const tags = [...(Tag === undefined ? [] : [Tag]), ...((Tags ?? []) as unknown[])].sort(byText);
  const prefix = [ofAnd, ofFilter, Prefix].find((each) => each !== undefined && each !== "");
  return withoutDefaults({
    ...Object.fromEntries(
      Object.entries(rule)
        .map(([name, value]) => [name, Array.isArray(value) ? value.toSorted(byText) : value] as const)
        .filter(([, value]) => !(Array.isArray(value) && value.length === 0)),
    ),
    Filter: withoutDefaults({
      ...conditions,
      ...furtherConditions,
      Prefix: prefix,
      Tags: tags.length === 0 ? undefined : tags,
    }),
  });
}

/** Servers write a list of one as its text, order statements and lists anew, and spell everybody in two ways. */
function normalPolicy(policy: unknown): unknown {
  const { Statement, ...rest } = except(policy as Record<string, unknown>, "Id");
  const statements = (Array.isArray(Statement) ? Statement : [Statement]).map((statement: unknown) =>
    asLists(mapObjects(statement, everybody)),
  );
  return { ...rest, Statement: statements.sort(byText) };
}

function everybody(object: Record<string, unknown>): Record<string, unknown> {
  return object["Principal"] === "*" ? { ...object, Principal: { AWS: "*" } } : object;
}

function asLists(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asLists).sort(byText);
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(
    fields.map(([name, inner]) => [name, asLists(typeof inner === "object" ? inner : [inner])]),
  );
}

const byText = (one: unknown, other: unknown) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);

/** A copy in which every object, innermost first, became what `change` makes of it. */
function mapObjects(
  value: unknown,
  change: (object: Record<string, unknown>) => Record<string, unknown>,
): unknown {
  if (Array.isArray(value)) return value.map((each) => mapObjects(each, change));
  if (typeof value !== "object" || value === null) return value;
  return change(
    Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapObjects(inner, change)])),
  );
}

/** A copy without some of its fields. */
export function except<Fields extends object, Name extends keyof Fields>(
  object: Fields,
  ...names: Name[]
): Omit<Fields, Name> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name as Name))) as Omit<
    Fields,
    Name
  >;
}
