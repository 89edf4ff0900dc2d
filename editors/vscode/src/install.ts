/** Installs the server: by one button from the wheel that came along, or from what the user names. */

import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import * as vscode from 'vscode';
import { type Machine, type Plan, inEnvironment, planFor, sourceOf } from './installers';
import type { Server } from './server';

const INSTALL = 'Install the Server';
const NAME_IT = 'It Is Here…';

/** Tells why there is no server, and what mends it: one button. */
export async function offerServer(server: Server): Promise<void> {
  const answer = await vscode.window.showWarningMessage(
    `Infill has no language server yet: ${server.problem}.`,
    INSTALL,
    NAME_IT,
  );
  if (answer === INSTALL) {
    await install(server);
  } else if (answer === NAME_IT) {
    await nameIt();
  }
}

/** From the wheel in the extension; without one, from the file, folder or address that is named. */
export async function install(server: Server): Promise<void> {
  const source = wheelIn(server.extensionFolder) ?? (await askForSource());
  if (source === undefined) {
    return;
  }
  const plan = planFor(source, machineOf(server));
  if (plan === undefined) {
    void vscode.window.showErrorMessage(
      'Infill needs Python 3.11 or later, uv or pipx on this machine: install one of them, then try again.',
    );
    return;
  }
  server.log.info(`installing ${source} by ${plan.name}`);
  const fault = await runUnderProgress(server, plan);
  if (fault !== undefined) {
    const answer = await vscode.window.showErrorMessage(
      `Infill was not installed: ${fault.slice(0, 200)}`,
      'Log',
    );
    if (answer === 'Log') {
      server.log.show();
    }
  } else if (await server.restart()) {
    void vscode.window.showInformationMessage('Infill is installed; the model is being loaded.');
  } else {
    await offerServer(server);
  }
}

/** The program that a plan named `venv` has made, whether or not it is there. */
export function ownProgram(server: Server): string {
  return inEnvironment(machineOf(server), 'infill-ls');
}

async function nameIt(): Promise<void> {
  const [file] =
    (await vscode.window.showOpenDialog({
      title: 'The program infill-ls',
      canSelectMany: false,
    })) ?? [];
  if (file !== undefined) {
    const settings = vscode.workspace.getConfiguration('infill');
    await settings.update('server.path', file.fsPath, vscode.ConfigurationTarget.Global);
  }
}

async function askForSource(): Promise<string | undefined> {
  const choice = await vscode.window.showQuickPick(
    [
      { label: 'A release file…', detail: 'infill_ls-….whl', folder: false },
      { label: 'A checkout…', detail: 'the folder with its pyproject.toml', folder: true },
      { label: 'A full address…', detail: 'https:// or git+https://', folder: undefined },
    ],
    { title: 'Install infill-ls from', placeHolder: 'This extension came without the server' },
  );
  if (choice === undefined) {
    return undefined;
  }
  if (choice.folder === undefined) {
    const given = await vscode.window.showInputBox({
      title: 'The address of a wheel or a repository',
      validateInput: (text) =>
        sourceOf(text, () => false) === undefined
          ? 'https://… of a wheel, or git+https://… of a repository'
          : undefined,
    });
    return given === undefined ? undefined : sourceOf(given, () => false);
  }
  const [picked] =
    (await vscode.window.showOpenDialog({
      canSelectFiles: !choice.folder,
      canSelectFolders: choice.folder,
      ...(choice.folder ? {} : { filters: { 'A wheel': ['whl'] } }),
    })) ?? [];
  return picked && sourceOf(picked.fsPath, isCheckout);
}

/** Runs the steps; what went wrong, if anything. The last line that a step prints is the message. */
async function runUnderProgress(server: Server, plan: Plan): Promise<string | undefined> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: 'Installing Infill',
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    progress.report({ message: 'PyTorch comes along, which takes some minutes' });
    for (const { program, args } of plan.steps) {
      let last = '';
      const code = await new Promise<number | string>((resolve) => {
        const child = spawn(program, args, {
          env: { ...process.env, PATH: searchPath(), ...plan.env },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        const stop = token.onCancellationRequested(() => child.kill());
        const hear = (data: Buffer) => {
          for (const line of data.toString().split(/[\r\n]+/)) {
            if (line.trim() !== '') {
              last = line.trim();
              server.log.info(last);
              progress.report({ message: last.length > 90 ? `${last.slice(0, 89)}…` : last });
            }
          }
        };
        child.stdout.on('data', hear);
        child.stderr.on('data', hear);
        child.on('error', (error) => resolve(error.message));
        child.on('close', (code) => {
          stop.dispose();
          resolve(code ?? 'it was stopped');
        });
      });
      if (token.isCancellationRequested) {
        return 'it was stopped';
      }
      if (code !== 0) {
        return last || `${program} ended with ${code}`;
      }
    }
    return undefined;
  });
}

function machineOf(server: Server): Machine {
  return {
    platform: process.platform,
    isOnPath,
    hasCard: existsSync('/proc/driver/nvidia/version') || isOnPath('nvidia-smi'),
    storage: server.storage,
  };
}

function wheelIn(folder: string): string | undefined {
  const inside = join(folder, 'server');
  const name = existsSync(inside) && readdirSync(inside).find((name) => name.endsWith('.whl'));
  return name ? join(inside, name) : undefined;
}

function isCheckout(path: string): boolean {
  return existsSync(join(path, 'pyproject.toml')) && statSync(path).isDirectory();
}

/** PATH, and where uv and pipx put themselves: an editor often lacks what a shell would add. */
function searchPath(): string {
  const own = ['.local/bin', '.cargo/bin'].map((folder) => join(homedir(), folder));
  return [process.env['PATH'] ?? '', ...own].join(delimiter);
}

function isOnPath(program: string): boolean {
  const name = process.platform === 'win32' ? `${program}.exe` : program;
  return searchPath()
    .split(delimiter)
    .some((folder) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
