/** How long to wait before a server that has ended is started again, and when to give up. */

const FIRST = 1_000;
const MOST_RESTARTS = 5;
/** A server that has run for this long was a good one: the count begins again. */
const STEADY = 60_000;

export class Backoff {
  #restarts = 0;
  #startedAt = 0;

  /** `now` and all that is returned are milliseconds. */
  started(now: number): void {
    this.#startedAt = now;
  }

  /** The wait before the next start; undefined once it has ended too often. */
  ended(now: number): number | undefined {
    if (now - this.#startedAt >= STEADY) {
      this.#restarts = 0;
    }
    this.#restarts += 1;
    return this.#restarts > MOST_RESTARTS ? undefined : FIRST * 2 ** (this.#restarts - 1);
  }

  /** The user has asked for a start. */
  reset(): void {
    this.#restarts = 0;
  }
}
