// SPDX-License-Identifier: Apache-2.0
// Verifies ClickOnce manifests with the XML signatures of .NET, in the order and with the conditions of Windows.
//   clickonce_dotnet [--root PEM]... [--stamp-root PEM]... [--no-files] MANIFEST...
//   clickonce_dotnet --name PEM        the subject of a certificate as Windows writes it
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;

CryptoConfig.AddAlgorithm(typeof(RsaSha256), SignedXml.XmlDsigNamespaceUrl + "rsa-sha256"); // as the .NET Framework names them
CryptoConfig.AddAlgorithm(typeof(SHA256Managed), SignedXml.XmlDsigNamespaceUrl + "sha256");

var trust = new Trust();
var manifests = new List<string>();
bool files = true;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--root")
        trust.Signers.ImportFromPemFile(args[++i]);
    else if (args[i] == "--stamp-root")
        trust.Stampers.ImportFromPemFile(args[++i]);
    else if (args[i] == "--no-files")
        files = false;
    else if (args[i] == "--name")
        Console.WriteLine(X509Certificate2.CreateFromPem(File.ReadAllText(args[++i])).SubjectName.Name);
    else
        manifests.Add(args[i]);
}
int bad = 0;
foreach (string path in manifests)
{
    try
    {
        var manifest = new Manifest(path);
        manifest.VerifySignatures(trust);
        int count = files ? manifest.VerifyFiles() : 0;
        Console.WriteLine($"valid {path}: {count} files, signed by {manifest.Signer!.Subject}, time stamp {manifest.Stamp:o}");
    }
    catch (Exception e) when (e is Problem or CryptographicException or FormatException or System.Xml.XmlException or IOException)
    {
        bad++;
        Console.WriteLine($"INVALID {path}: {e.GetType().Name}: {e.Message}");
    }
}
return bad == 0 ? 0 : 1;

public sealed class Problem(string what) : Exception(what)
{
    public static void Unless(bool good, string what)
    {
        if (!good)
            throw new Problem(what);
    }
}

public sealed class Trust
{
    public X509Certificate2Collection Signers { get; } = [];
    public X509Certificate2Collection Stampers { get; } = [];

    /// <summary>The certificate and its issuers; no roots: not judged, the issuer is whoever is at hand.</summary>
    public static X509Certificate2Collection Chain(
        X509Certificate2 leaf, X509Certificate2Collection others, X509Certificate2Collection roots, DateTime time, string usage)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.ExtraStore.AddRange(others);
        chain.ChainPolicy.VerificationTime = time;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(usage));
        bool good = chain.Build(leaf);
        Problem.Unless(good || roots.Count == 0, "no trusted chain: " + string.Join(", ", chain.ChainStatus.Select(s => s.Status)));
        return [.. chain.ChainElements.Select(e => e.Certificate)];
    }
}

public sealed class RsaSha256 : SignatureDescription
{
    public RsaSha256()
    {
        KeyAlgorithm = typeof(RSA).AssemblyQualifiedName;
        DigestAlgorithm = typeof(SHA256Managed).AssemblyQualifiedName;
    }

    public override HashAlgorithm CreateDigest() => SHA256.Create();

    public override AsymmetricSignatureDeformatter CreateDeformatter(AsymmetricAlgorithm key)
    {
        var deformatter = new RSAPKCS1SignatureDeformatter(key);
        deformatter.SetHashAlgorithm("SHA256");
        return deformatter;
    }
}
