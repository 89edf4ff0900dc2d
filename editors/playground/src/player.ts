/** Plays the steps of a fill one after the other, as a film of the canvas. */

const FRAME_MS = 140;

export class Player {
  private timer: number | null = null;

  /** `onState` hears whether it plays. */
  constructor(private readonly onState: (plays: boolean) => void) {}

  /** `show` for 0 to `count` - 1, or until stopped. */
  play(count: number, show: (index: number) => void): void {
    this.stop();
    let index = 0;
    const next = (): void => {
      show(index++);
      if (index < count) this.timer = window.setTimeout(next, FRAME_MS);
      else this.stop();
    };
    this.onState(true);
    next();
  }

  get plays(): boolean {
    return this.timer !== null;
  }

  stop(): void {
    if (this.timer !== null) window.clearTimeout(this.timer);
    this.timer = null;
    this.onState(false);
  }
}
