/**
 * The fills that the user has asked for by hand and waits for: shown as a progress that can be
 * cancelled there or with Esc, one at a time or several.
 */

import * as vscode from 'vscode';
import type {
  WorkDoneProgressBegin,
  WorkDoneProgressEnd,
  WorkDoneProgressReport,
} from 'vscode-languageclient/node';

/** While it is true, Esc cancels. */
const CONTEXT = 'infill.filling';

type Told = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

interface Running {
  readonly source: vscode.CancellationTokenSource;
  readonly progress: vscode.Progress<{ message?: string; increment?: number }>;
  percentage: number;
}

export class Fills implements vscode.Disposable {
  readonly #running = new Set<Running>();
  readonly #ended = new vscode.EventEmitter<number | undefined>();
  /** A fill has ended after so many milliseconds, or was cancelled. */
  readonly onDidEnd = this.#ended.event;

  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** `work` under a progress named `title`; `outer` cancels it as well as the user does. */
  async run<T>(
    title: string,
    outer: vscode.CancellationToken | undefined,
    work: (token: vscode.CancellationToken) => Thenable<T>,
  ): Promise<T> {
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    return vscode.window.withProgress(options, async (progress, byButton) => {
      const source = new vscode.CancellationTokenSource();
      const cancels = [byButton, ...(outer === undefined ? [] : [outer])].map((token) =>
        token.onCancellationRequested(() => source.cancel()),
      );
      const running: Running = { source, progress, percentage: 0 };
      const startedAt = Date.now();
      this.#running.add(running);
      this.#tellContext();
      try {
        return await work(source.token);
      } finally {
        this.#running.delete(running);
        this.#tellContext();
        vscode.Disposable.from(...cancels).dispose();
        const isCancelled = source.token.isCancellationRequested;
        source.dispose();
        this.#ended.fire(isCancelled ? undefined : Date.now() - startedAt);
      }
    });
  }

  cancel(): void {
    this.#running.forEach(({ source }) => source.cancel());
  }

  /** The server's progress belongs to the fill that was asked for last. */
  report(told: Told): void {
    const running = [...this.#running].at(-1);
    if (running === undefined || told.kind !== 'report') {
      return;
    }
    const percentage = Math.max(running.percentage, told.percentage ?? 0);
    const increment = percentage - running.percentage;
    running.percentage = percentage;
    running.progress.report({
      increment,
      ...(told.message !== undefined && { message: told.message }),
    });
  }

  dispose(): void {
    this.cancel();
    this.#ended.dispose();
  }

  #tellContext(): void {
    void vscode.commands.executeCommand('setContext', CONTEXT, this.busy);
  }
}
