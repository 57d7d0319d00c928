# ruff: noqa: RUF012 - as Django writes it
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("boutique", "0001_initial"),
        ("django_solana_payments", "0002_alter_paymentcryptotoken_payment_crypto_price"),
    ]

    operations = [
        migrations.AlterField(
            model_name="solanapayment",
            name="paid_token",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to="boutique.coin"
            ),
        ),
        migrations.AlterField(
            model_name="solanapaypaymentcryptoprice",
            name="token",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="crypto_prices", to="boutique.coin"
            ),
        ),
    ]
