/** A command in a terminal that the user sees, and that stays open when it has ended. */

import * as vscode from 'vscode';

/** Whether the command has ended well. */
export async function runInTerminal(
  name: string,
  command: vscode.ShellExecution | vscode.ProcessExecution,
): Promise<boolean> {
  const scope = vscode.workspace.workspaceFolders?.length
    ? vscode.TaskScope.Workspace
    : vscode.TaskScope.Global;
  const task = new vscode.Task({ type: 'infill' }, scope, name, 'infill', command);
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, focus: true };
  const execution = await vscode.tasks.executeTask(task);
  return new Promise((resolve) => {
    const listener = vscode.tasks.onDidEndTask((ended) => {
      if (ended.execution === execution) {
        finished.dispose();
        listener.dispose();
        resolve(false);
      }
    });
    const finished = vscode.tasks.onDidEndTaskProcess((ended) => {
      if (ended.execution === execution) {
        finished.dispose();
        listener.dispose();
        resolve(ended.exitCode === 0);
      }
    });
  });
}
