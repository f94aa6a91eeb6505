// SPDX-License-Identifier: Apache-2.0
// What a NuGet repository does with a package it takes: signs it, or counter-signs the author's signature.
//   nuget_repository PACKAGE OUT PFX PASSWORD TSA
using System.Security.Cryptography.X509Certificates;
using NuGet.Common;
using NuGet.Packaging.Signing;

if (args.Length != 5)
{
    Console.Error.WriteLine("usage: nuget_repository PACKAGE OUT PFX PASSWORD TSA");
    return 2;
}
using var certificate = X509CertificateLoader.LoadPkcs12FromFile(args[2], args[3]);
using var request = new RepositorySignPackageRequest(
    certificate, HashAlgorithmName.SHA256, HashAlgorithmName.SHA256, new Uri("https://packages.example/v3/index.json"), ["somebody"]);
X509TrustStore.InitializeForDotNetSdk(NullLogger.Instance);
var provider = new X509SignatureProvider(new Rfc3161TimestampProvider(new Uri(args[4])));
using var options = SigningOptions.CreateFromFilePaths(args[0], args[1], overwrite: false, provider, NullLogger.Instance);
await SigningUtility.SignAsync(options, request, CancellationToken.None);
Console.WriteLine("signed");
return 0;
