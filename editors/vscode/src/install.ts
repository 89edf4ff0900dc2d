/** Offers to install the server where there is none. Nothing is run before the user has said yes. */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import * as vscode from 'vscode';
import { installers } from './installers';
import type { Server } from './server';
import { runInTerminal } from './terminal';

const INSTALL = 'Install…';
const NAME_IT = 'Set Its Path';

/** Tells why there is no server, and what mends it. */
export async function offerServer(server: Server): Promise<void> {
  const answer = await vscode.window.showWarningMessage(
    `Infill has no language server to talk to: ${server.problem}.`,
    INSTALL,
    NAME_IT,
  );
  if (answer === INSTALL) {
    await install(server);
  } else if (answer === NAME_IT) {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'infill.server.path');
  }
}

/** Shows the commands that install it, and runs the one the user picks, in a terminal. */
export async function install(server: Server): Promise<void> {
  const choices = installers(isOnPath).map((installer) => ({
    label: installer.command,
    description: installer.isHere ? '' : 'not on this machine yet',
    detail: installer.about,
    installer,
  }));
  const choice = await vscode.window.showQuickPick(choices, {
    title: 'Install infill-ls: which command shall run in a terminal?',
    placeHolder: 'Escape runs none',
  });
  if (choice === undefined) {
    return;
  }
  if (!choice.installer.isHere) {
    await vscode.env.openExternal(vscode.Uri.parse(choice.installer.home));
    return;
  }
  const { command } = choice.installer;
  if (await runInTerminal('Install infill-ls', new vscode.ShellExecution(command))) {
    await server.restart();
  } else {
    void vscode.window.showWarningMessage(
      'Infill: the installation did not end well; the terminal says why.',
    );
  }
}

function isOnPath(program: string): boolean {
  const name = process.platform === 'win32' ? `${program}.exe` : program;
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
