/** A refusal as Azure Resource Manager words it: a status, and a body of `{error: {code, message}}`. */
export class ArmError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const badArgument = (message: string) => new ArmError(400, 'BadArgument', message);
export const notFound = (message: string, code = 'ResourceNotFound') => new ArmError(404, code, message);
export const conflict = (message: string) => new ArmError(409, 'Conflict', message);
