/** The settings: the server's, which its schema gives, and the few that are this extension's. */

import * as vscode from 'vscode';

export const SECTION = 'infill';
/** In the section, and none of the server's business. */
const OURS: ReadonlySet<string> = new Set(['server', 'liveCanvas']);

export function serverPath(): string {
  return vscode.workspace.getConfiguration(SECTION).get('server.path', '').trim();
}

export function serverArguments(): string[] {
  return vscode.workspace.getConfiguration(SECTION).get<string[]>('server.arguments', []);
}

export function showsCanvas(): boolean {
  return vscode.workspace.getConfiguration(SECTION).get('liveCanvas', true);
}

/** What the server is told. */
export function forServer(): Record<string, unknown> {
  const section = vscode.workspace.getConfiguration().get<Record<string, unknown>>(SECTION, {});
  return Object.fromEntries(
    Object.entries(section)
      .filter(([name]) => !OURS.has(name))
      // The settings editor knows no null for a text.
      .map(([name, value]) => [name, value === '' ? null : value]),
  );
}

export function onlyWhenAsked(): boolean {
  return vscode.workspace.getConfiguration(SECTION).get('trigger') === 'manual';
}

/** Where the user has it already, and else for all windows. */
export async function update(name: string, value: unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration(SECTION);
  const isTheWorkspaces = configuration.inspect(name)?.workspaceValue !== undefined;
  const target = isTheWorkspaces
    ? vscode.ConfigurationTarget.Workspace
    : vscode.ConfigurationTarget.Global;
  await configuration.update(name, value, target);
}
