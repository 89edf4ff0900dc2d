/** The first start: the walkthrough, once per user. */

import * as vscode from 'vscode';

const GREETED = 'greeted';
const WALKTHROUGH = 'infill-ls.infill#start';

export async function greet(context: vscode.ExtensionContext): Promise<void> {
  if (context.extensionMode === vscode.ExtensionMode.Test || context.globalState.get(GREETED)) {
    return;
  }
  await context.globalState.update(GREETED, true);
  await openWalkthrough();
}

export async function openWalkthrough(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.openWalkthrough', WALKTHROUGH, false);
}
