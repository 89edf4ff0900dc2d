/** JSON-RPC to the language server, one message a frame. */

export class ServerError extends Error {}

type Waiting = { resolve: (result: any) => void; reject: (error: Error) => void };

export class Connection {
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Map<string, (params: any) => void>();
  private lastId = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
  }

  /** Rejects where nobody answers at `address`; `onClose` is called when the server has gone. */
  static open(address: URL, onClose: () => void): Promise<Connection> {
    const socket = new WebSocket(address);
    return new Promise((resolve, reject) => {
      socket.onerror = () => reject(new ServerError("the server does not answer"));
      socket.onopen = () => {
        const connection = new Connection(socket);
        socket.onclose = () => {
          connection.giveUp();
          onClose();
        };
        resolve(connection);
      };
    });
  }

  on(method: string, listener: (params: any) => void): void {
    this.listeners.set(method, listener);
  }

  notify(method: string, params: object): void {
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  /** The request's result; `cancelled` aborts it, and the server stops working on it. */
  request(method: string, params: object, cancelled?: AbortSignal): Promise<any> {
    const id = ++this.lastId;
    const answer = new Promise<any>((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    cancelled?.addEventListener("abort", () => this.notify("$/cancelRequest", { id }));
    return answer;
  }

  private receive(message: any): void {
    if (message.method !== undefined) {
      this.listeners.get(message.method)?.(message.params);
      if (message.id !== undefined) {
        this.socket.send(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: null }));
      }
      return;
    }
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.error) waiting?.reject(new ServerError(message.error.message));
    else waiting?.resolve(message.result);
  }

  private giveUp(): void {
    for (const { reject } of this.waiting.values()) reject(new ServerError("the server has gone"));
    this.waiting.clear();
  }
}
