/** From what zod says of an input to faults: where, and what to do. */
import type { z } from 'zod';
import type { Fault } from '../failure.ts';

/** `what` it should have been, such as `a spec`; an unknown field is told not to be one of it. */
export function issueFaults(issues: readonly z.core.$ZodIssue[], what: string): Fault[] {
  return issues.flatMap((issue) => faultsOf(issue, what, []));
}

function faultsOf(issue: z.core.$ZodIssue, what: string, parents: readonly PropertyKey[]): Fault[] {
  const path = [...parents, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: writePath([...path, key]),
      message: `is not a field of ${what}; remove it`,
    }));
  }
  // The rule that a key of a record breaks stands inside; zod's own word for it says nothing.
  if (issue.code === 'invalid_key') return issue.issues.flatMap((inner) => faultsOf(inner, what, path));
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = closestBranch(issue.errors, issue.input);
    if (branch !== null) return branch.flatMap((inner) => faultsOf(inner, what, path));
  }
  const missing = issue.code === 'invalid_type' && issue.input === undefined;
  return [{ path: writePath(path), message: missing ? `is missing; it ${issue.message}` : issue.message }];
}

/**
 * The branch of a union that the input was meant to be: the one whose own shape it has, so that the fault inside it
 * is told and not "no branch fits". Null where no branch has the input's shape.
 */
function closestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  input: unknown,
): readonly z.core.$ZodIssue[] | null {
  // A list and an object are told apart by what they are, whatever is wrong inside.
  const alike = branches.filter((issues) => !issues.some(isOtherKind));
  if (typeof input === 'object' && alike.length === 1) return alike[0] ?? null;
  const fits = branches.filter((issues) => issues.length > 0 && !issues.some(isShapeIssue));
  return fits.length === 1 ? (fits[0] ?? null) : null;
}

function isOtherKind({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function isShapeIssue(issue: z.core.$ZodIssue): boolean {
  return (
    issue.code === 'unrecognized_keys' ||
    (issue.code === 'invalid_type' &&
      issue.path.length <= 1 &&
      issue.path.every((part) => typeof part === 'string'))
  );
}

/** `workloads[3].promptTokens`; the whole input is `(body)`. */
function writePath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(body)';
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`,
    )
    .join('');
}
