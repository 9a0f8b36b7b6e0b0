import type { RelayedFile } from "../../ssh/relay.ts";

/** A file of a store, as listed. */
export interface StoredFile {
  name: string;
  /** Where it is read from, in the store's own terms. */
  path: string;
  bytes: number;
  modifiedAt: Date;
  /** Differs when the file's bytes may differ, as far as the store tells. */
  identity: string;
}

/** Something in a store that cannot be read as a file. */
export interface StoredOddity {
  name: string;
  modifiedAt: Date;
  reason: string;
  isFolder: boolean;
}

/** In a bucket a folder may have the name of a file, too. */
export function fileNamed(
  entries: readonly (StoredFile | StoredOddity)[],
  name: string,
): StoredFile | undefined {
  return entries.find((entry): entry is StoredFile => entry.name === name && !("reason" in entry));
}

/** What whoever fills a store may have written, as a terminal can show it: with no character that it acts on. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, "\u{fffd}");
}

/** Something whose name no backup has. */
export function unprintable(name: string, modifiedAt: Date): StoredOddity {
  return {
    name: printable(name),
    modifiedAt,
    isFolder: false,
    reason: "a name with control characters in it",
  };
}

/** A store as it is read. */
export interface StoreReader {
  /**
   * What lies in the store's folder, or in a folder of that, by name. Folders below it are not looked into.
   *
   * @throws OperatorError when there is no such folder or it cannot be read.
   */
  list(folder?: string): Promise<(StoredFile | StoredOddity)[]>;
  /**
   * What lies in a folder of the store's, by name, and in each folder there: `within` has it by that folder's name.
   *
   * @throws OperatorError when there is no such folder or it cannot be read.
   */
  listBoth(folder: string): Promise<{
    entries: (StoredFile | StoredOddity)[];
    within: ReadonlyMap<string, (StoredFile | StoredOddity)[]>;
  }>;
  /**
   * Many small listed files at once, by their paths, where that saves time. What is not among them, `read` tells why.
   */
  readMany(files: readonly StoredFile[]): Promise<ReadonlyMap<string, Buffer>>;
  /**
   * Reads a listed file: `visit` gets its bytes, as many as were listed. The result is undefined when the file was changed
   * or replaced meanwhile: what was read is then worth nothing.
   *
   * @throws OperatorError when the store does not give it, which says nothing of the file.
   */
  read<Result>(
    file: StoredFile,
    visit: (bytes: AsyncIterable<Buffer>) => Promise<Result>,
  ): Promise<Result | undefined>;
  /**
   * How the relay reaches a listed file, FOLDER/NAME or NAME, as it was at a moment; under this name where the store lets it choose one.
   */
  relayed(file: string, name: string, moment: Date): RelayedFile;
}
