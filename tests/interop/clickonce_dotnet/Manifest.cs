// SPDX-License-Identifier: Apache-2.0
using System.Reflection;
using System.Security.Cryptography;
using System.Security.Cryptography.Pkcs;
using System.Security.Cryptography.X509Certificates;
using System.Security.Cryptography.Xml;
using System.Xml;

public sealed class Manifest
{
    const string CodeSigning = "1.3.6.1.5.5.7.3.3", TimeStamping = "1.3.6.1.5.5.7.3.8", SigningTime = "1.2.840.113549.1.9.5";
    const string Identity = "urn:schemas-microsoft-com:HashTransforms.Identity";

    readonly string path;
    readonly XmlDocument document;
    readonly XmlNamespaceManager names;

    public X509Certificate2? Signer { get; private set; }
    public DateTime? Stamp { get; private set; }

    public Manifest(string path)
    {
        this.path = path;
        document = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        document.Load(path);
        names = new XmlNamespaceManager(document.NameTable);
        names.AddNamespace("asm", "urn:schemas-microsoft-com:asm.v1");
        names.AddNamespace("asm2", "urn:schemas-microsoft-com:asm.v2");
        names.AddNamespace("ds", SignedXml.XmlDsigNamespaceUrl);
        names.AddNamespace("rel", "http://schemas.microsoft.com/windows/rel/2005/reldata");
        names.AddNamespace("r", "urn:mpeg:mpeg21:2003:01-REL-R-NS");
        names.AddNamespace("as", "http://schemas.microsoft.com/windows/pki/2005/Authenticode");
    }

    XmlElement One(XmlNode from, string query) =>
        from.SelectSingleNode(query, names) as XmlElement ?? throw new Problem("there is no " + query);

    // --- signatures ------------------------------------------------------------------------------

    public void VerifySignatures(Trust trust)
    {
        XmlElement signature = One(document, "/asm:assembly/ds:Signature");
        Problem.Unless(document.SelectNodes("/asm:assembly/ds:Signature", names)!.Count == 1, "several signatures");
        RSA key = VerifySignature(document, signature, "StrongNameSignature");
        VerifyToken(key);
        XmlElement license = One(signature, "ds:KeyInfo/rel:RelData/r:license");
        VerifyIdentity(license);
        VerifyHash(license, signature);
        foreach (bool preserve in new[] { true, false }) // the libraries of Windows do the one or the other
        {
            var alone = new XmlDocument { PreserveWhitespace = preserve, XmlResolver = null };
            alone.LoadXml(license.OuterXml);
            VerifyLicense(alone, key, trust);
        }
    }

    /// <summary>One enveloped signature over the whole document, by the first key of its KeyInfo.</summary>
    RSA VerifySignature(XmlDocument over, XmlElement signature, string id)
    {
        Problem.Unless(signature.GetAttribute("Id") == id, "the signature is no " + id);
        var references = signature.SelectNodes("ds:SignedInfo/ds:Reference", names)!;
        Problem.Unless(references.Count == 1 && ((XmlElement)references[0]!).GetAttribute("URI") == "", "its reference");
        var transforms = references[0]!.SelectNodes("ds:Transforms/ds:Transform/@Algorithm", names)!.Cast<XmlAttribute>().Select(a => a.Value);
        string[] wanted = [SignedXml.XmlDsigEnvelopedSignatureTransformUrl, SignedXml.XmlDsigExcC14NTransformUrl];
        Problem.Unless(transforms.SequenceEqual(wanted), "its transforms");
        var xml = new SignedXml(over);
        xml.LoadXml(signature);
        RSA key = (xml.KeyInfo.Cast<KeyInfoClause>().First() as RSAKeyValue ?? throw new Problem("KeyInfo does not begin with the key")).Key;
        Problem.Unless(xml.CheckSignature(key), id + " does not verify");
        return key;
    }

    void VerifyToken(RSA key)
    {
        using var csp = new RSACryptoServiceProvider();
        csp.ImportParameters(key.ExportParameters(false));
        byte[] blob = csp.ExportCspBlob(false);
        blob[5] = 0x24; // a key for signatures, not for exchange
        byte[] head = [0, 0x24, 0, 0, 4, 0x80, 0, 0, .. BitConverter.GetBytes(blob.Length)];
        var name = new AssemblyName();
        name.SetPublicKey([.. head, .. blob]);
        string token = Convert.ToHexStringLower(name.GetPublicKeyToken()!);
        string said = One(document, "/asm:assembly/asm:assemblyIdentity").GetAttribute("publicKeyToken");
        Problem.Unless(token == said, $"publicKeyToken {said} is not that of the key, {token}");
    }

    /// <summary>Every attribute, namespace declarations included, stands in the license too.</summary>
    void VerifyIdentity(XmlElement license)
    {
        var mine = One(document, "/asm:assembly/asm:assemblyIdentity").Attributes;
        XmlElement theirs = One(license, "r:grant/as:ManifestInformation/as:assemblyIdentity");
        Problem.Unless(mine.Count == theirs.Attributes.Count, "the license is for an identity with other attributes");
        foreach (XmlAttribute a in mine)
            Problem.Unless(theirs.HasAttribute(a.LocalName) && theirs.GetAttribute(a.LocalName) == a.Value, "the license is for another " + a.Name);
    }

    void VerifyHash(XmlElement license, XmlElement signature)
    {
        byte[] said = Convert.FromHexString(One(license, "r:grant/as:ManifestInformation").GetAttribute("Hash"));
        Array.Reverse(said);
        var copy = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        copy.LoadXml(document.OuterXml);
        XmlElement there = One(copy, "/asm:assembly/ds:Signature");
        there.ParentNode!.RemoveChild(there);
        var again = new XmlDocument { PreserveWhitespace = true, XmlResolver = null };
        using (var reader = XmlReader.Create(new StringReader(copy.OuterXml))) // this one makes line ends one character
            again.Load(reader);
        var canonical = new XmlDsigExcC14NTransform();
        canonical.LoadInput(again);
        byte[] bytes = ((MemoryStream)canonical.GetOutput(typeof(Stream))).ToArray();
        byte[] hash = said.Length == SHA1.HashSizeInBytes ? SHA1.HashData(bytes) : SHA256.HashData(bytes);
        Problem.Unless(hash.SequenceEqual(said), "the license is for another manifest");
    }

    void VerifyLicense(XmlDocument license, RSA strongName, Trust trust)
    {
        XmlElement signature = One(license, "/r:license/r:issuer/ds:Signature");
        RSA key = VerifySignature(license, signature, "AuthenticodeSignature");
        Problem.Unless(key.ExportSubjectPublicKeyInfo().SequenceEqual(strongName.ExportSubjectPublicKeyInfo()), "two keys");
        var xml = new SignedXml(license);
        xml.LoadXml(signature);
        var data = xml.KeyInfo.Cast<KeyInfoClause>().OfType<KeyInfoX509Data>().FirstOrDefault() ?? throw new Problem("no certificates");
        X509Certificate2Collection all = [.. data.Certificates!.Cast<X509Certificate>().Select(c => X509CertificateLoader.LoadCertificate(c.GetRawCertData()))];
        Signer = all.FirstOrDefault(c => !IsAuthority(c) && c.PublicKey.ExportSubjectPublicKeyInfo().SequenceEqual(key.ExportSubjectPublicKeyInfo()))
                 ?? throw new Problem("no certificate for the key");
        Stamp = VerifyStamp(signature, trust);
        var chain = Trust.Chain(Signer, all, trust.Signers, (Stamp ?? DateTime.UtcNow).ToLocalTime(), CodeSigning);
        string subject = One(license, "/r:license/r:grant/as:AuthenticodePublisher/as:X509SubjectName").InnerText;
        Problem.Unless(subject == Signer.Subject, $"X509SubjectName {subject}, the certificate {Signer.Subject}");
        VerifyPublisher(chain.Count > 1 ? chain[1] : Signer);
    }

    static bool IsAuthority(X509Certificate2 c) => c.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority);

    void VerifyPublisher(X509Certificate2 issuer)
    {
        XmlElement publisher = One(document, "/asm:assembly/asm2:publisherIdentity");
        string hash = Convert.ToHexStringLower(SHA1.HashData(issuer.PublicKey.EncodedKeyValue.RawData));
        Problem.Unless(publisher.GetAttribute("name") == Signer!.SubjectName.Name,
            $"publisherIdentity names {publisher.GetAttribute("name")}, the certificate {Signer.SubjectName.Name}");
        Problem.Unless(publisher.GetAttribute("issuerKeyHash") == hash, "publisherIdentity names another issuer");
    }

    DateTime? VerifyStamp(XmlElement signature, Trust trust)
    {
        if (signature.SelectSingleNode("ds:Object/as:Timestamp", names) is not XmlElement element)
            return null;
        byte[] bytes = Convert.FromBase64String(element.InnerText);
        byte[] value = Convert.FromBase64String(One(signature, "ds:SignatureValue").InnerText);
        var message = new SignedCms();
        message.Decode(bytes);
        message.CheckSignature(verifySignatureOnly: true);
        Problem.Unless(message.SignerInfos[0].SignedAttributes.Cast<CryptographicAttributeObject>().Any(a => a.Oid.Value == SigningTime),
            "the time stamp says no signing time");
        Problem.Unless(Rfc3161TimestampToken.TryDecode(bytes, out var token, out int used) && used == bytes.Length, "the time stamp cannot be read");
        Problem.Unless(token!.VerifySignatureForData(value, out var stamper), "the time stamp is for something else");
        Trust.Chain(stamper!, message.Certificates, trust.Stampers, token.TokenInfo.Timestamp.LocalDateTime, TimeStamping);
        return token.TokenInfo.Timestamp.UtcDateTime;
    }

    // --- files -----------------------------------------------------------------------------------

    public int VerifyFiles()
    {
        int count = 0;
        string query = "/asm:assembly/asm2:file | /asm:assembly/asm2:dependency/asm2:dependentAssembly[@codebase]";
        foreach (XmlElement element in document.SelectNodes(query, names)!)
        {
            string name = element.GetAttribute(element.LocalName == "file" ? "name" : "codebase");
            string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name.Replace('\\', '/'));
            if (!File.Exists(file))
                file += ".deploy";
            byte[] content = File.ReadAllBytes(file);
            Problem.Unless(element.GetAttribute("size") == content.Length.ToString(), "size of " + name);
            VerifyDigest(One(element, "asm2:hash"), content, name);
            if (name.EndsWith(".manifest", StringComparison.OrdinalIgnoreCase))
                VerifyApplication(file, One(element, "asm2:assemblyIdentity"));
            count++;
        }
        return count;
    }

    void VerifyDigest(XmlElement hash, byte[] content, string name)
    {
        foreach (XmlAttribute a in hash.SelectNodes("ds:Transforms/ds:Transform/@Algorithm", names)!)
            Problem.Unless(a.Value == Identity, "transform of " + name);
        string method = One(hash, "ds:DigestMethod").GetAttribute("Algorithm");
        using var algorithm = (HashAlgorithm?)CryptoConfig.CreateFromName(method) ?? throw new Problem("hash algorithm of " + name);
        byte[] said = Convert.FromBase64String(One(hash, "ds:DigestValue").InnerText);
        Problem.Unless(algorithm.ComputeHash(content).SequenceEqual(said), "hash of " + name);
    }

    /// <summary>A deployment names the identity that the application has.</summary>
    void VerifyApplication(string file, XmlElement named)
    {
        var application = new XmlDocument { XmlResolver = null };
        application.Load(file);
        XmlElement own = One(application, "/asm:assembly/asm:assemblyIdentity");
        foreach (string a in new[] { "name", "version", "publicKeyToken", "language", "processorArchitecture", "type" })
            Problem.Unless(own.GetAttribute(a) == named.GetAttribute(a), $"{a} of the application");
    }
}
