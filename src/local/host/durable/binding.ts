/** The value of a durable client binding: where `df.getClient(context)` sends its requests. */

export interface Webhooks {
  /** The path before `orchestrators` and `instances`, with slashes at both ends. */
  readonly path: string;
  readonly port: number;
  readonly hubName: string;
}

/** The binding's value as JSON text. */
export function clientBinding(webhooks: Webhooks): string {
  const { hubName } = webhooks;
  const base = `http://localhost:${webhooks.port}${webhooks.path.replace(/\/$/, '')}`;
  return JSON.stringify({
    taskHubName: hubName,
    creationUrls: {
      createNewInstancePostUri: `${base}/orchestrators/{functionName}[/{instanceId}]?${requiredQuery(hubName)}`,
    },
    managementUrls: managementUrls(base, hubName, 'INSTANCEID'),
    baseUrl: base,
    requiredQueryStringParameters: requiredQuery(hubName),
    // With this, each call of the client goes here. It must end in a slash.
    rpcBaseUrl: `http://127.0.0.1:${webhooks.port}${webhooks.path}`,
  });
}

/** The addresses of one instance, as a start answers them; `base` has no slash at its end. */
export function managementUrls(base: string, hubName: string, id: string): Readonly<Record<string, string>> {
  const instance = `${base}/instances/${id}`;
  const query = requiredQuery(hubName);
  return {
    id,
    statusQueryGetUri: `${instance}?${query}`,
    sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
    rewindPostUri: `${instance}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${instance}?${query}`,
    restartPostUri: `${instance}/restart?${query}`,
    suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
    resumePostUri: `${instance}/resume?reason={text}&${query}`,
  };
}

function requiredQuery(hubName: string): string {
  return `taskHub=${encodeURIComponent(hubName)}&connection=Storage`;
}
