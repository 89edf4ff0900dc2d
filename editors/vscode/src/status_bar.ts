/** The item in the status bar: the model, its device and the last latency; a click opens the menu. */

import * as vscode from 'vscode';
import { onlyWhenAsked } from './settings';
import type { Server } from './server';
import { type Wording, wording } from './wording';

export const MENU = 'infill.menu';

export class StatusBar implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem(
    'infill.status',
    vscode.StatusBarAlignment.Right,
    100,
  );
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    this.#item.name = 'Infill';
    this.refresh();
    this.#item.show();
  }

  /** What it shows, for tests. */
  get text(): string {
    return this.#item.text;
  }

  refresh(): void {
    const { life, status, latency, problem } = this.#server;
    const now = wording({ life, status, latency, problem, onlyWhenAsked: onlyWhenAsked() });
    this.#item.text = `$(${now.icon}) ${now.text}`;
    // Where there is one thing to do, a click does it.
    this.#item.command = life === 'missing' ? 'infill.install' : MENU;
    this.#item.tooltip = tooltip(now);
    this.#item.accessibilityInformation = {
      label: `Infill: ${now.rows.map((row) => row.join(' ')).join(', ')}`,
      role: 'button',
    };
    this.#item.backgroundColor = now.isBad
      ? new vscode.ThemeColor('statusBarItem.warningBackground')
      : undefined;
  }

  dispose(): void {
    this.#item.dispose();
  }
}

function tooltip({ rows }: Wording): vscode.MarkdownString {
  const table = new vscode.MarkdownString('**Infill**\n\n| | |\n| --- | --- |\n');
  for (const [name, value] of rows) {
    table.appendMarkdown(`| ${name} | `);
    table.appendText(value.replaceAll(/\s+/g, ' '));
    table.appendMarkdown(' |\n');
  }
  return table;
}
