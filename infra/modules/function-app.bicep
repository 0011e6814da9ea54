// A function app on Flex Consumption with a plan of its own: it scales to nothing while idle, and whatever it reaches, it
// reaches by its identity. Used twice: for the app and for its watchdog.
param name string

@description('The service of azure.yaml whose package is deployed here.')
@allowed(['app', 'watchdog'])
param serviceName string

param location string
param tags object

@description('Node version, as the platform names it: 22 or 24.')
param nodeVersion string

param instanceMemoryMB int

@description('Resource id of this app\'s identity.')
param identityId string

@description('Client id of this app\'s identity.')
param identityClientId string

param blobEndpoint string

@description('Blob container of the deployed package.')
param packageContainerName string

@description('Where logs go; no secret, since local authentication is off.')
param insightsConnectionString string

@description('Subnet that calls go out from; empty for none.')
param subnetId string

@description('Settings of this app alone, each with name and value.')
param settings array

var hostSettings = [
  // The host's storage, by identity: its locks and keys, and the lease that lets a timer fire once.
  { name: 'AzureWebJobsStorage__blobServiceUri', value: blobEndpoint }
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: insightsConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
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
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': serviceName
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
    // Who reads the Key Vault for settings that refer to it; without it the platform would ask for a system-assigned one.
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
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
        instanceMemoryMB: instanceMemoryMB
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
      appSettings: concat(hostSettings, settings)
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
