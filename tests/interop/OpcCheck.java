// SPDX-License-Identifier: Apache-2.0
// Asks Apache POI whether the signatures of packages hold: one line a file.
import org.apache.poi.openxml4j.opc.OPCPackage;
import org.apache.poi.openxml4j.opc.PackageAccess;
import org.apache.poi.poifs.crypt.dsig.SignatureConfig;
import org.apache.poi.poifs.crypt.dsig.SignatureInfo;
import org.apache.poi.poifs.crypt.dsig.SignaturePart;

public class OpcCheck {
    private static String judge(String file) {
        try (OPCPackage opened = OPCPackage.open(file, PackageAccess.READ)) {
            SignatureConfig config = new SignatureConfig();
            config.setOpcPackage(opened);
            SignatureInfo info = new SignatureInfo();
            info.setSignatureConfig(config);
            int good = 0, bad = 0;
            for (SignaturePart part : info.getSignatureParts()) {
                if (part.validate() && part.getSigner() != null) {
                    good++;
                } else {
                    bad++;
                }
            }
            return bad > 0 ? "invalid" : good > 0 ? "valid" : "unsigned";
        } catch (Throwable problem) {
            return "error " + problem;
        }
    }

    public static void main(String[] files) {
        for (String file : files) {
            System.out.println(judge(file));
        }
    }
}
