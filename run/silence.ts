/** Watches something that is expected to be heard from. */
export interface SilenceWatch {
  /** It was heard: the waiting begins anew. */
  heard(): void;
  /** It is over: silence means nothing any more. */
  stop(): void;
}

/**
 * Tells of a silence that lasts longer than it may, once. How long it may last is asked each time something is heard,
 * in seconds. Does not keep the process from ending.
 */
export function watchSilence(limitSeconds: () => number, onSilence: (seconds: number) => void): SilenceWatch {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const stop = () => {
    over = true;
    clearTimeout(timer);
  };
  const heard = () => {
    if (over) return;
    clearTimeout(timer);
    const seconds = limitSeconds();
    timer = setTimeout(() => {
      stop();
      onSilence(seconds);
    }, seconds * 1000);
    timer.unref();
  };
  heard();
  return { heard, stop };
}
