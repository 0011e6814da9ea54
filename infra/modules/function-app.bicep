// The app on Flex Consumption: it scales to nothing between runs. Everything it reaches, it reaches by its identity.
param suffix string
param location string
param tags object

@description('Node version, as the platform names it: 22 or 24.')
param nodeVersion string

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

param blobEndpoint string
param queueEndpoint string
param tableEndpoint string

@description('Blob container of the deployed package.')
param packageContainerName string

@description('Where logs go; no secret, since local authentication is off.')
param insightsConnectionString string

@description('This installation\'s name on every endpoint that it creates.')
param installationId string

@description('Azure ML workspaces by the name that specs use: subscriptionId, resourceGroup and workspace of each.')
param workspaces object

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${suffix}'
  location: location
  tags: union(tags, {
    'azd-service-name': 'app'
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        // The largest: the load loop has a thread of its own, and times are only true while it never waits for a core.
        instanceMemoryMB: 4096
        // A bound on the bill. 40 is the least that every version of the platform has accepted, and with 512
        // connections an instance far more than the endpoints of one installation can take.
        maximumInstanceCount: 40
      }
      runtime: {
        name: 'node'
        version: nodeVersion
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        // The host's and Durable Functions' storage, by identity.
        { name: 'AzureWebJobsStorage__blobServiceUri', value: blobEndpoint }
        { name: 'AzureWebJobsStorage__queueServiceUri', value: queueEndpoint }
        { name: 'AzureWebJobsStorage__tableServiceUri', value: tableEndpoint }
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
        { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnectionString }
        { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
        // The page of the app answers at /, not the platform's.
        { name: 'AzureWebJobsDisableHomepage', value: 'true' }
        { name: 'AZURE_CLIENT_ID', value: identityClientId }
        { name: 'INSTALLATION_ID', value: installationId }
        { name: 'WORKSPACES', value: string(workspaces) }
        { name: 'TABLES_ENDPOINT', value: tableEndpoint }
      ]
    }
  }
}

// Nobody publishes with a password: azd and func sign in.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noDeploymentPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output name string = app.name
output uri string = 'https://${app.properties.defaultHostName}'
