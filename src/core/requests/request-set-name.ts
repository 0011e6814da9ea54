/** How request sets may be called: safe in keys, addresses, file names and the names of cells, and one spelling each. */
export const REQUEST_SET_NAME = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export const REQUEST_SET_NAME_RULE =
  'must be the name of a request set: 1 to 40 lower-case letters, digits and dashes, none of them a dash at an end';
