/** One thing that was looked at. */
export interface Finding {
  /** Such as `store bucket`. */
  about: string;
  /** `not seen`: nothing is known of it, which is not that it is well. */
  level: "ok" | "bad" | "not seen";
  seen: string;
  /** What to do about it. */
  next?: string;
}
