// Lets the app deploy, call and delete models in one Azure ML workspace, which may be in another resource group or
// subscription. Deleting the app's resource group leaves this assignment behind, pointing to nobody.
param workspaceName string

@description('Object id of the app\'s identity.')
param appPrincipalId string

// AzureML Data Scientist
var scientistRoleId = 'f6c7c914-8db3-469d-8ca1-694a8f32e121'

resource workspace 'Microsoft.MachineLearningServices/workspaces@2024-10-01' existing = {
  name: workspaceName
}

resource scientistGrant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipalId, scientistRoleId)
  scope: workspace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', scientistRoleId)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    description: 'The app creates, reads, calls and deletes online endpoints and reads their keys and logs; this role cannot change the workspace or its compute.'
  }
}
