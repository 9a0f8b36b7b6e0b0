import { z } from "zod";

/** The lock of a file backend: .pulumi/locks/organization/PROJECT/STACK/ID.json (pkg/backend/diy/lock.go). */
const lockSchema = z.object({
  pid: z.int(),
  username: z.string(),
  hostname: z.string(),
  timestamp: z.coerce.date(),
});
export type StackLock = z.infer<typeof lockSchema>;

/** A lock as its file says; undefined when it is none. */
export function parseLock(text: string): StackLock | undefined {
  try {
    return lockSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** What is known of this computer when a lock is judged. */
export interface Here {
  hostname: string;
  /** When the process of that id started; undefined when there is none. */
  startedAt: (pid: number) => Date | undefined;
}

/** Start times of processes are known to a second. */
const slackMilliseconds = 2000;

/** Why a lock may still be in use; undefined when its owner is gone. */
export function whyLockHolds(lock: StackLock, here: Here): string | undefined {
  const owner = `${lock.username}@${lock.hostname} (process ${lock.pid}) since ${lock.timestamp.toISOString()}`;
  if (lock.hostname !== here.hostname) {
    return `it is locked by ${owner}; whether that still runs cannot be seen from ${here.hostname}`;
  }
  const startedAt = here.startedAt(lock.pid);
  // A process that started after the lock was written has only inherited its number.
  if (!startedAt || startedAt.getTime() > lock.timestamp.getTime() + slackMilliseconds) return undefined;
  return `it is locked by ${owner}, which still runs`;
}
